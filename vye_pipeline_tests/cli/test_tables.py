"""How tables look: nothing is wider than the terminal, and colours take no place."""

from __future__ import annotations

from datetime import date

import click
import pytest

from vye_pipeline.cli.commands import vye
from vye_pipeline.cli.tables import show_affected
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.calendar import Affected

REASON = "BDN has not answered within three business days, so nobody knows what it did"
ITEM = Affected(
    user_profile_id=308,
    kind="verifications",
    partition_date=date(2025, 4, 4),
    record_id=1,
    line_number=1,
    status=Status.MISSING,
    reason_code=None,
    reason=REASON,
    next_step="ask BDN",
    needs_manual_reconciliation=True,
    resolved_at=None,
)


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_last_column_is_folded_in_the_place_left_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_affected([ITEM])
    assert capsys.readouterr().out.splitlines() == [
        "profile  partition   kind           status   reason",
        "308      2025-04-04  verifications  missing  BDN has not answered within three",
        "                                             business days, so nobody knows what",
        "                                             it did",
        "1 records of 1 user profiles; 1 of them need a person",
    ]


def test_colours_take_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    show_affected([ITEM])
    plain = capsys.readouterr().out
    with click.Context(vye, color=True):
        show_affected([ITEM])
    coloured = capsys.readouterr().out
    assert click.style(Status.MISSING, fg="red") in coloured
    assert click.unstyle(coloured) == plain


def test_a_narrow_terminal_leaves_the_last_column_room_for_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    show_affected([ITEM])
    words = [line[45:] for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert " ".join(words) == REASON
