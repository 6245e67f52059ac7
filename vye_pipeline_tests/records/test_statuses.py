"""How statuses move, and that the page about it says the same."""

from __future__ import annotations

from vye_pipeline.records.statuses import MOVES, UNSENT, UNSETTLED, Status, moves_table
from vye_pipeline.settings import CHECKOUT


def test_the_page_has_the_moves_as_they_are_enforced() -> None:
    page = (CHECKOUT / "docs" / "bdn-interface.md").read_text(encoding="utf-8")
    assert moves_table() in page


def test_nothing_that_was_delivered_becomes_undelivered_or_superseded() -> None:
    delivered = set(Status) - {*UNSENT, Status.UNDELIVERED, Status.SUPERSEDED, Status.UNEXPECTED}
    for status in delivered:
        assert set(MOVES[status]) <= delivered - {status}


def test_whatever_is_unsettled_can_settle() -> None:
    for status in UNSETTLED:
        assert Status.ACKNOWLEDGED in MOVES[status]
