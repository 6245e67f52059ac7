"""Dagster's own storage failing: one line per command, nothing half-done, and doctor goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from vye_pipeline.cli.commands import FAILED, run
from vye_pipeline.orchestration.instance import dagster_home
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

REFUSED = """
storage:
  postgres:
    postgres_url: postgresql+psycopg2://nobody@127.0.0.1:1/nothing
"""


@pytest.fixture(params=["no folder", "refused", "no database", "read-only database"])
def failing(
    request: pytest.FixtureRequest,
    embedded: Settings,
    monkeypatch: pytest.MonkeyPatch,
    waits: list[float],
) -> Rehearsal:
    """A prepared pipeline beside a Dagster whose storage fails."""
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    monkeypatch.setenv("VYE_START_DATE", str(embedded.start_date))
    history = embedded.folder / "dagster" / "history"
    if request.param == "no folder":
        history.parent.mkdir()
        history.write_text("a file in its place")
    elif request.param == "refused":
        monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)
        home = embedded.folder / "refused"
        home.mkdir()
        (home / "dagster.yaml").write_text(REFUSED)
        monkeypatch.setenv("DAGSTER_HOME", str(home))
    elif request.param == "no database":
        (history / "runs.db").mkdir(parents=True)
    else:
        history.mkdir(parents=True)
        (history / "runs.db").write_bytes(b"this is no database at all" * 100)
    return rehearsal


def test_a_command_says_one_line(failing: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["egress", str(DAYS[0])], ["reconcile", str(DAYS[0])], ["backfill"]):
        assert run(command) == FAILED
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "Dagster's own storage can't be used" in line
    assert failing.lines() == []


def test_the_doctor_goes_on(failing: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == FAILED
    said = capsys.readouterr()
    assert "Dagster's own storage can't be used" in said.out
    assert "Datadog" in said.out
    assert "Traceback" not in said.out + said.err


def test_the_configuration_is_written_once(embedded: Settings) -> None:
    file = dagster_home(embedded) / "dagster.yaml"
    before = file.stat().st_mtime_ns
    assert dagster_home(embedded) == file.parent
    assert file.stat().st_mtime_ns == before
    file.write_text("of an earlier version")
    dagster_home(embedded)
    assert str(embedded.folder) in file.read_text()
    assert [one.name for one in Path(file.parent).iterdir()] == ["dagster.yaml"]
