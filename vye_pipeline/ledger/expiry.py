"""How a file's content expires: the ledger says so before anything is removed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection, insert, select

from vye_pipeline.ledger.connection import LedgerConnection
from vye_pipeline.ledger.models import CLAIMS, DELIVERIES, EXPIRIES, HELD
from vye_pipeline.ledger.open_work import open_items, unsettled_days
from vye_pipeline.retries import retried

File = tuple[date, str]  # partition date and kind


class ExpiryMixin(LedgerConnection):
    """Expiries."""

    @retried
    def expire(self, files: Iterable[File], expired_at: datetime) -> None:
        """Records that the content of some delivered files has expired."""
        with self.transaction() as connection:
            known = expired_files(connection)
            rows = [
                {"partition_date": day, "kind": kind, "expired_at": expired_at}
                for day, kind in files
                if (day, kind) not in known
            ]
            if rows:
                connection.execute(insert(EXPIRIES), rows)


def expired_files(connection: Connection) -> set[File]:
    """Returns the files whose content has expired."""
    query = select(EXPIRIES.c.partition_date, EXPIRIES.c.kind)
    return {(day, kind) for day, kind in connection.execute(query)}


def settled_files(connection: Connection, before: date = date.max) -> set[File]:
    """Returns the delivered files of days before one of which nothing is open any more."""
    query = select(DELIVERIES.c.partition_date, DELIVERIES.c.kind)
    query = query.where(DELIVERIES.c.partition_date < before)
    delivered = {(day, kind) for day, kind in connection.execute(query)}
    unsettled = set(unsettled_days(connection))
    needed = {(item.partition_date, item.kind) for item in open_items(connection)}
    # What is held back may be released yet, and its snapshot is all that is left of it.
    held = select(CLAIMS.c.partition_date, CLAIMS.c.kind).where(CLAIMS.c.disposition == HELD)
    needed |= {(day, kind) for day, kind in connection.execute(held.distinct())}
    return {file for file in delivered - needed if file[0] not in unsettled}


def files_of_profile(connection: Connection, user_profile_id: int) -> set[File]:
    """Returns the files of which a user profile's records were read."""
    query = select(CLAIMS.c.partition_date, CLAIMS.c.kind).distinct()
    query = query.where(CLAIMS.c.user_profile_id == user_profile_id)
    return {(day, kind) for day, kind in connection.execute(query)}
