"""One hostile string through the fields that others write, to every place where they are shown."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import update

from vye_pipeline.alerting.notifier import SlackNotifier
from vye_pipeline.business_days import end_of_day
from vye_pipeline.cli import commands
from vye_pipeline.errors import upload_error
from vye_pipeline.ledger.models import REASON_CODES
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.hostile import FORMULAS, HOSTILE, unseen
from vye_pipeline_tests.integration.listeners import SlackListener
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

DAY = DAYS[0]


@pytest.fixture
def rejected(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """A day of which BDN rejects everything, for reasons whose meaning is hostile."""
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    monkeypatch.setenv("VYE_START_DATE", str(DAY))
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    answer_partition(rehearsal.outage, DAY, Faults(reject=9), received_at=at(DAY, hours=2))
    ledger = rehearsal.pipeline.ledger
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, end_of_day(DAY))
        failure = upload_error(HOSTILE, is_transient=False, next_step=HOSTILE)
        ledger.fail(DAY, kind, failure, step="delivery", run_id="1", failed_at=at(DAY))
    with ledger.transaction() as connection:
        connection.execute(
            update(REASON_CODES).values(meaning=HOSTILE, suggested_action=f"@{HOSTILE}")
        )
    return rehearsal


def test_nothing_that_others_wrote_does_anything_where_it_is_shown(
    rejected: Rehearsal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, table = tmp_path / "report.html", tmp_path / "affected.csv"
    for command in (["affected"], ["explain", str(DAY)], ["report", "--out", str(page)]):
        assert commands.run(command) == commands.SUCCESS
        shown = capsys.readouterr().out
        assert not unseen(shown), command
        assert "evil.example" in "".join(shown.split()) or command[0] == "report"
    assert not unseen(HOSTILE) & set(page.read_text(encoding="utf-8"))
    assert "evil.example" in page.read_text(encoding="utf-8")
    assert "<script>&" not in page.read_text(encoding="utf-8")

    commands.run(["affected", "--csv", str(table)])
    with table.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any("evil" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(FORMULAS) or unseen(cell)]

    capsys.readouterr()
    commands.run(["affected", "--json"])
    printed = capsys.readouterr().out
    assert not unseen(printed)
    assert any(HOSTILE in str(item["reason"]) for item in json.loads(printed))


def test_slack_shows_it_and_tells_nobody() -> None:
    with SlackListener() as listener:
        SlackNotifier("xoxb-none", "#vye-alerts", listener.url).send(f"first\n{HOSTILE}")
        (heard,) = listener.heard()
    assert heard.startswith("first\n")
    assert not unseen(heard)
    assert not {"<", ">"} & set(heard)


def test_an_error_is_one_line_that_moves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["explain", HOSTILE]) == commands.BAD_USAGE
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert not unseen(shown)
