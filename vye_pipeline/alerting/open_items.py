"""Alarms about what needs a person, day by day as long as it is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.alerting.links import worklist_link
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.ledger.open_work import OpenItems, open_items
from vye_pipeline.settings import Settings

NEWEST_DAYS = 20  # business days of which each has an alarm of its own


def of_open_items(connection: Connection, settings: Settings, now: datetime) -> list[Alarm]:
    """Says what needs a person: of each of the newest days, and of all older ones together."""
    items = open_items(connection)
    today = now.astimezone(NEW_YORK).date()
    oldest = settings.calendar.business_days_after(today, -NEWEST_DAYS)
    by_day = groupby(items, lambda item: item.partition_date)
    newest = [_of_a_day(settings, day, list(group)) for day, group in by_day if day >= oldest]
    older = [item for item in items if item.partition_date < oldest]
    return [*newest, *_older(older, oldest)]


def _of_a_day(settings: Settings, day: date, items: Sequence[OpenItems]) -> Alarm:
    return Alarm(
        f"manual reconciliation of {day}",
        frozenset(_news(item) for item in items),
        f"{_total(items)} records of {day} need a person: {_by_status(items)}. Which, why and what "
        f"to do: `vye affected --date {day}` or {worklist_link(settings, day)}",
    )


def _older(items: Sequence[OpenItems], oldest: date) -> list[Alarm]:
    """Sums up what has waited for long: it is news once, and where something new came up."""
    if not items:
        return []
    days = {item.partition_date for item in items}
    recent = [item for item in items if item.since.astimezone(NEW_YORK).date() >= oldest]
    return [
        Alarm(
            f"manual reconciliation before the last {NEWEST_DAYS} business days",
            frozenset({"older", *map(_news, recent)}),
            f"{_total(items)} records of {len(days)} days before {oldest} still need a person: "
            f"{_by_status(items)}. Which, why and what to do: `vye affected`, or the "
            "analysts' page, *Open items*.",
            "All clear: nothing older needs a person.",
        )
    ]


def _news(item: OpenItems) -> str:
    return f"{item.partition_date} {item.kind} {item.status} {item.since.isoformat()}"


def _total(items: Sequence[OpenItems]) -> int:
    return sum(item.records for item in items)


def _by_status(items: Sequence[OpenItems]) -> str:
    counts: Counter[str] = Counter()
    for item in items:
        counts[item.status] += item.records
    return ", ".join(f"{count} {status}" for status, count in counts.items())
