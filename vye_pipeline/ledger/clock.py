"""The time that all machines share: that of the ledger's server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select


def machine_time() -> datetime:
    """Returns the time in UTC by this machine's clock."""
    return datetime.now(UTC)


def behind(connection: Connection) -> timedelta:
    """Returns how far this machine's clock is behind the server's, negative where it is ahead.

    A database in a file has no clock of its own: nothing.
    """
    if connection.dialect.name != "postgresql":
        return timedelta()
    asked = machine_time()
    there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return there.astimezone(UTC) - (asked + (machine_time() - asked) / 2)
