"""Which days the ledger knows, whatever the calendar says of them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, false, or_, select, union

from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger.connection import ledger_database
from vye_pipeline.ledger.models import FAILURES, FILES
from vye_pipeline.settings import Settings

LONG_WEEKEND = timedelta(days=4)


def days_on_record(
    connection: Connection, first: date = date.min, last: date = date.max
) -> list[date]:
    """Returns the days between two that were read or have failed, oldest first."""
    each = (
        select(table.c.partition_date).where(table.c.partition_date.between(first, last))
        for table in (FILES, FAILURES)
    )
    return sorted(connection.scalars(union(*each)))


def newest_on_record(connection: Connection, count: int) -> list[date]:
    """Returns the newest days that were read, oldest first."""
    query = select(FILES.c.partition_date).distinct().order_by(FILES.c.partition_date.desc())
    return sorted(connection.scalars(query.limit(count)))


def on_days(column: ColumnElement[date], days: Iterable[date]) -> ColumnElement[bool]:
    """Returns the condition that a row is of one of some days, or lies between two close ones.

    A few ranges, so that an index is asked once for days that lie together.
    """
    spans = (column.between(first, last) for first, last in _spans(sorted(days)))
    return or_(false(), *spans)


def _spans(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yields first and last day of each stretch without a gap longer than a weekend's."""
    first = last = None
    for day in days:
        if first and last and day - last > LONG_WEEKEND:
            yield first, last
            first = day
        first, last = first or day, day
    if first and last:
        yield first, last


def days_on_record_if_readable(
    settings: Settings, first: date = date.min, last: date = date.max
) -> list[date]:
    """Returns the days of a ledger as it is, none of one that isn't there or can't be read.

    Nothing is made or upgraded: a code location loads while the ledger is away.
    """
    database = ledger_database(settings)
    try:
        with database.errors(), database.engine(is_read_only=True).connect() as connection:
            return days_on_record(connection, first, last)
    except (PipelineError, UsageError):
        return []
