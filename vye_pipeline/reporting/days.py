"""Which days a question is about: those of the calendar, and those that the ledger knows."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection

from vye_pipeline.ledger.days import days_on_record, newest_on_record
from vye_pipeline.ledger.open_work import failed_files, open_items, unsettled_days
from vye_pipeline.settings import Settings

DAYS_SHOWN = 20


def days_between(
    connection: Connection,
    settings: Settings,
    now: datetime,
    first: date | None = None,
    last: date | None = None,
) -> list[date]:
    """Returns the days between two that can have run, or that the ledger knows, oldest first.

    Args:
        connection: to the ledger.
        settings: the calendar, and its first and last day.
        now: with zone.
        first: none before it.
        last: none after it.
    """
    newest = min(settings.calendar.latest_business_day(now), settings.end_date or date.max)
    by_calendar = settings.calendar.business_days(
        max(first or settings.start_date, settings.start_date), min(last or newest, newest)
    )
    on_record = days_on_record(connection, first or date.min, last or date.max)
    return sorted({*by_calendar, *on_record})


def days_shown(connection: Connection, settings: Settings, now: datetime) -> list[date]:
    """Returns the last business days, the last that ran, and all with anything open.

    What it costs doesn't grow with the history.
    """
    newest = settings.calendar.latest_business_day(now)
    first = settings.calendar.business_days_after(newest, 1 - DAYS_SHOWN)
    ran = newest_on_record(connection, DAYS_SHOWN)
    return sorted(
        {
            *days_between(connection, settings, now, first),
            *(days_between(connection, settings, now, ran[0], ran[-1]) if ran else ()),
            *days_with_open_work(connection),
        }
    )


def days_with_open_work(connection: Connection) -> set[date]:
    """Returns the days that aren't settled, have failed, or have a record that needs a person."""
    return {
        *unsettled_days(connection),
        *(file.partition_date for file in failed_files(connection)),
        *(item.partition_date for item in open_items(connection)),
    }
