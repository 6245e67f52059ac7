"""Dagster's own instance: its history, beside the pipeline's data unless DAGSTER_HOME is set.

`python -m vye_pipeline.orchestration.instance` prepares the storage, before two processes of
`dagster dev` do so at once, and prints the DAGSTER_HOME to start them with.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg

from vye_pipeline.errors import UsageError
from vye_pipeline.private_files import checked_folder, make_files_private
from vye_pipeline.settings import CHECKOUT, Settings, load_settings

CONFIGURATION = "dagster.yaml"
DEFAULT_STORAGE = "data/local/dagster"


def dagster_home(settings: Settings) -> Path:
    """Returns the folder of Dagster's instance, with its configuration in it.

    DAGSTER_HOME where it is set; else the checkout's dagster.yaml, with its storage moved to the
    settings' folder.

    Raises:
        UsageError: others may write there.
    """
    configured = os.environ.get("DAGSTER_HOME")
    if configured:
        return Path(configured)
    home = settings.folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    template = (CHECKOUT / CONFIGURATION).read_text(encoding="utf-8")
    written = checked_folder(home) / f".{CONFIGURATION}.{os.getpid()}"
    written.write_text(template.replace(DEFAULT_STORAGE, str(home)), encoding="utf-8")
    written.replace(home / CONFIGURATION)  # whole, for it names the classes to load
    return home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Opens Dagster's instance; its storage is made where there is none.

    Raises:
        UsageError: DAGSTER_HOME names no folder with a dagster.yaml.
    """
    home = dagster_home(settings)
    if not (home / CONFIGURATION).is_file():
        raise UsageError(f"DAGSTER_HOME has no {CONFIGURATION}: {home}")
    return dg.DagsterInstance.from_config(str(home))


if __name__ == "__main__":
    make_files_private()
    chosen = load_settings()
    with open_instance(chosen) as instance:
        instance.get_run_records(limit=1)
    sys.stdout.write(f"{dagster_home(chosen)}\n")
