"""Alarms about how many records have a fault, where single ones are everyday business."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.alerting.links import worklist_link
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.fault_history import FaultyDay, fault_history
from vye_pipeline.reporting.fault_rate import is_unusually_high, usual_rate
from vye_pipeline.settings import Settings

NEWEST = 3  # days of a kind that can be an alarm
COMPARED = 20  # days before one of them
LOOK_BACK = timedelta(days=45)  # in which there are that many business days
WHERE_TO_LOOK = {
    Status.REJECTED: "Ask BDN what has changed before veterans are called.",
    Status.QUARANTINED: "Look for a fault of the source before they are corrected one by one.",
}


def of_fault_rates(connection: Connection, settings: Settings, now: datetime) -> list[Alarm]:
    """Says of which of the newest days unusually many records were rejected or quarantined."""
    since = (now - LOOK_BACK).astimezone(NEW_YORK).date()
    days: dict[tuple[str, Status], list[FaultyDay]] = defaultdict(list)
    for day in fault_history(connection, since):
        days[day.kind, day.status].append(day)
    return [
        _alarm(settings, day, usual) for listed in days.values() for day, usual in unusual(listed)
    ]


def unusual(days: Sequence[FaultyDay]) -> Iterator[tuple[FaultyDay, float]]:
    """Yields the newest days with unusually many faults, each with the rate that is usual.

    Args:
        days: of one kind and status, oldest first.
    """
    for place in range(max(len(days) - NEWEST, 0), len(days)):
        day, earlier = days[place], days[max(place - COMPARED, 0) : place]
        usual = usual_rate([one.faults for one in earlier])
        if is_unusually_high(day.faults, usual):
            yield day, usual or 0


def _alarm(settings: Settings, day: FaultyDay, usual: float) -> Alarm:
    count, records = day.faults.fault_count, day.faults.record_count
    return Alarm(
        f"{day.status} {day.kind} of {day.partition_date}",
        frozenset({"unusually many"}),
        f"{count} of {records} {day.kind} of {day.partition_date} are {day.status}, "
        f"{count / records:.1%} where {usual:.1%} is usual. {WHERE_TO_LOOK[day.status]} "
        f"`vye affected --date {day.partition_date}` or "
        f"{worklist_link(settings, day.partition_date)}",
    )
