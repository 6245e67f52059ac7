"""Alarms about what BDN has answered that counts for nothing."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.ledger.open_work import hours_behind, orphaned
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.reconciliation.orphans import TOO_EARLY

EXAMPLES = 5


def of_answers(connection: Connection) -> list[Alarm]:
    """Says what BDN has answered that counts for nothing, a wrong clock of its own once."""
    found = orphaned(connection)
    behind = _clocks(connection, found)
    others = [one for one in found if one.reason != TOO_EARLY or one.partition_date not in behind]
    return [*_clock(behind), *_orphans(others)]


def _clocks(connection: Connection, found: list[Orphan]) -> dict[date, int]:
    """Returns the days whose answers are all early by the same whole hours, with these."""
    days = {one.partition_date for one in found if one.reason == TOO_EARLY}
    behind = {day: hours_behind(connection, day) for day in sorted(days)}
    return {day: hours for day, hours in behind.items() if hours is not None}


def _clock(behind: dict[date, int]) -> list[Alarm]:
    """Says in one alarm that BDN's clock is wrong, whatever it has answered meanwhile."""
    if not behind:
        return []
    listed = "; ".join(f"{day}: {hours} hours" for day, hours in behind.items())
    return [
        Alarm(
            "BDN's clock",
            frozenset(map(str, behind)),
            f"All of BDN's answers of some days are early by whole hours ({listed}): its clock or "
            "time zone is wrong. They count for nothing, and no line of these days becomes missing "
            "meanwhile. Ask BDN to set its clock right and to answer again.",
            "BDN's answers have the right time again.",
        )
    ]


def _orphans(found: list[Orphan]) -> list[Alarm]:
    """Says what lies under inbound/ and answers to nothing, in one alarm."""
    if not found:
        return []
    examples = "; ".join(f"{one.object_key}: {one.reason}" for one in found[:EXAMPLES])
    more = f" (the first {EXAMPLES})" if len(found) > EXAMPLES else ""
    return [
        Alarm(
            "orphaned acknowledgements",
            frozenset(one.object_key for one in found),
            f"{len(found)} objects under inbound/ answer to nothing that was sent, and count for "
            f"nothing{more}: {examples}. `vye status` names each; ask BDN which file it answers.",
            "No object under inbound/ is unexplained any more.",
        )
    ]
