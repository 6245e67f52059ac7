"""One partition a business day, in New York time, and one a day that the ledger knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta

import dagster as dg

from vye_pipeline.business_days import NEW_YORK, SATURDAY
from vye_pipeline.settings import Settings

DATE_FORMAT = "%Y-%m-%d"
YEARS_AHEAD = 2  # Dagster writes all exclusions into each event that plans a check
# A key exists once its window has ended, and that is on its own day, before anything runs: with a
# window that reaches to the next day's, a holiday would have the key of the day after it.
WINDOWS, BETWEEN_WINDOWS = "0 0,5 * * 1-5", "0 5 * * 1-5"


def business_day_partitions(
    settings: Settings, known: Collection[date] = ()
) -> dg.TimeWindowPartitionsDefinition:
    """Returns the partitions: the business days of the settings, and the days that are known.

    A key exists on its own day, from 05:00 in New York. Which days have come Dagster tells by its
    own clock; no key is made of a day whose holidays are not known yet.

    Args:
        settings: first and last day, holidays and closures.
        known: weekdays that the ledger knows, whatever the settings say of them now.
    """
    first, last = settings.start_date, min(settings.end_date or date.max, horizon())
    days = {day for day in known if day.weekday() < SATURDAY}
    days |= set(settings.calendar.business_days(first, last))
    first, last = min([first, *days]), max([first, last, *days])
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule=WINDOWS,
        fmt=DATE_FORMAT,
        timezone=str(NEW_YORK),
        start=_midnight(first),
        end=_midnight(last + timedelta(days=1)),
        exclusions=[
            BETWEEN_WINDOWS,
            *(_midnight(day) for day in _weekdays(first, last) if day not in days),
        ],
    )


def horizon() -> date:
    """Returns the last day whose holidays a process that starts now knows."""
    return date(datetime.now(NEW_YORK).year + YEARS_AHEAD, 12, 31)


def _weekdays(first: date, last: date) -> Iterator[date]:
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return (day for day in days if day.weekday() < SATURDAY)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def partition_date(context: dg.AssetExecutionContext) -> date:
    """Returns the business day of the running partition."""
    return date.fromisoformat(context.partition_key)
