"""One partition a business day, in New York time (dagster-facts: exclusions at the cron's tick)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import dagster as dg

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.settings import Settings

DATE_FORMAT = "%Y-%m-%d"
YEARS_AHEAD = 2  # Dagster writes all exclusions into each event that plans a check


def business_day_partitions(settings: Settings) -> dg.TimeWindowPartitionsDefinition:
    """Returns the partitions from the first to the last business day of the settings.

    A key exists on its own day, from midnight in New York. Which days have come Dagster tells by
    its own clock; the holidays are known for two years from now on, so that a process has to be
    started anew within that time.
    """
    first, last, calendar = settings.start_date, settings.end_date, settings.calendar
    final_year = last.year if last else datetime.now(NEW_YORK).year + YEARS_AHEAD
    years = range(first.year, final_year + 1)
    return dg.TimeWindowPartitionsDefinition(
        cron_schedule="0 0 * * 1-5",
        fmt=DATE_FORMAT,
        timezone=str(NEW_YORK),
        start=_midnight(first),
        end=_midnight(calendar.business_days_after(last, 1)) if last else None,  # its window's end
        end_offset=1,
        exclusions=[
            datetime.combine(day, time()) for year in years for day in calendar.holidays(year)
        ],
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC).replace(tzinfo=None)


def partition_date(context: dg.AssetExecutionContext) -> date:
    """Returns the business day of the running partition."""
    return date.fromisoformat(context.partition_key)
