"""Alarms about BDN's answers: those that are due, and those that count for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.ledger.open_work import AwaitedFile, awaited_files, hours_behind, orphaned
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.reconciliation.orphans import TOO_EARLY
from vye_pipeline.settings import Settings

EXAMPLES = 5


def of_answers(connection: Connection, settings: Settings, now: datetime) -> list[Alarm]:
    """Says what BDN has not answered and soon should have, and what counts for nothing.

    A wrong clock of its own is told once.
    """
    found = orphaned(connection)
    behind = _clocks(connection, found)
    others = [one for one in found if one.reason != TOO_EARLY or one.partition_date not in behind]
    return [
        *_awaited(awaited_files(connection), settings, now),
        *_clock(behind),
        *_orphans(others),
    ]


def _awaited(files: list[AwaitedFile], settings: Settings, now: datetime) -> Iterator[Alarm]:
    """Says in an alarm a file that lines of it are about to become missing."""
    for file in files:
        due_at = settings.calendar.deadline(file.partition_date, file.delivered_at)
        if now >= settings.calendar.before(due_at, settings.answer_alert_business_days):
            yield Alarm(
                f"BDN's answer to the {file.kind} of {file.partition_date}",
                frozenset({"due"}),
                f"BDN has not answered {file.lines} {file.kind} of {file.partition_date}, "
                f"delivered on {file.delivered_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M %Z}. What it "
                f"has not answered by {due_at:%Y-%m-%d %H:%M %Z} is missing then, and needs a "
                f"person. Ask BDN for its answer: `vye explain {file.partition_date}`.",
            )


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
