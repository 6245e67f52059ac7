"""Whatever umask it is started with, the pipeline's files are its user's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.instance import dagster_home
from vye_pipeline.settings import Settings

ENTRY_POINTS = (
    ["vye_pipeline", "database", "create"],
    ["vye_pipeline", "report"],
    ["vye_pipeline.orchestration.instance"],
)


def test_every_file_is_its_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    for arguments in ENTRY_POINTS:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", *arguments],
            umask=0,
            check=True,
            capture_output=True,
            env={**os.environ, "VYE_LOCAL_DIR": str(folder)},
        )
    made = {path.name: path.lstat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))}
    assert {"vye.db", "ledger.db", "report.html", "dagster.yaml"} <= set(made)
    assert set(made.values()) == {0}


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_where_others_may_write_gets_no_configuration(
    embedded: Settings, mode: int
) -> None:
    home = embedded.folder / "dagster"
    home.mkdir(parents=True)
    home.chmod(mode)
    with pytest.raises(UsageError, match="written by others"):
        dagster_home(embedded)
    assert not list(home.iterdir())
