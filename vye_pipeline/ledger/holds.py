"""Which user profiles' records are held back, and how a released one leaves its partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, delete, select, update

from vye_pipeline.ledger.connection import (
    LedgerConnection,
    batched_ids,
    insert_once,
    is_delivered,
    of_partition,
)
from vye_pipeline.ledger.models import CLAIMS, FILES, HELD, HOLDS, LINE, RECONCILIATIONS
from vye_pipeline.ledger.record_status import is_held, same_partition
from vye_pipeline.ledger.supersession import count_anew, take_back
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.frames import read_frame


@dataclass(frozen=True)
class Hold:
    """A user profile whose records of a kind are held back (decided_at in UTC)."""

    user_profile_id: int
    kind: str
    reason: str
    decided_by: str
    decided_at: datetime


class HoldsMixin(LedgerConnection):
    """Holds and releases."""

    @retried
    def decide_hold(self, row: Mapping[str, Any]) -> None:
        """Records that records are held back or released, once.

        Args:
            row: user_profile_id, kind, is_held, reason, decided_by, decided_at.
        """
        with self.transaction() as connection:
            insert_once(connection, HOLDS, **row)

    @retried
    def is_held(self, user_profile_id: int, kind: Kind) -> bool:
        """Says whether a user profile's records of a kind are held back now."""
        query = (
            select(HOLDS.c.is_held)
            .where(HOLDS.c.kind == kind.name, HOLDS.c.user_profile_id == user_profile_id)
            .order_by(HOLDS.c.id.desc())
            .limit(1)
        )
        with self.reading() as connection:
            return bool(connection.scalar(query))

    @retried
    def held_profiles(self, kind: Kind) -> set[int]:
        """Returns the user profiles whose records of a kind are held back now."""
        with self.reading() as connection:
            return {hold.user_profile_id for hold in holds(connection) if hold.kind == kind.name}

    @retried
    def hold_rows(self, kind: Kind) -> pd.DataFrame:
        """Returns all decisions on a kind, oldest first, without their ids."""
        columns = [column for column in HOLDS.c if column.name != "id"]
        query = select(*columns).where(HOLDS.c.kind == kind.name).order_by(HOLDS.c.id)
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def released_claims(self, kind: Kind) -> pd.DataFrame:
        """Returns the records that may leave their partition, delivered without them.

        They were held back and have been released since: record_id, partition_date (ISO text),
        snapshot_name.
        """
        query = (
            select(CLAIMS.c.record_id, CLAIMS.c.partition_date, FILES.c.snapshot_name)
            .join(FILES, same_partition(FILES, CLAIMS))
            .where(
                CLAIMS.c.kind == kind.name,
                CLAIMS.c.disposition == HELD,
                CLAIMS.c.user_profile_id.in_(
                    select(HOLDS.c.user_profile_id).where(HOLDS.c.kind == kind.name)
                ),
                is_delivered(CLAIMS),
                ~is_held(CLAIMS),
            )
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def hold_back(self, partition_date: date, kind: Kind) -> None:
        """Takes lines that are held back by now out of an undelivered partition's file."""
        held = (
            update(CLAIMS)
            .where(
                *of_partition(CLAIMS, partition_date, kind),
                CLAIMS.c.disposition == LINE,
                CLAIMS.c.user_profile_id.in_(
                    select(HOLDS.c.user_profile_id).where(HOLDS.c.kind == kind.name)
                ),
                is_held(CLAIMS),
                ~is_delivered(CLAIMS),
            )
            .values(disposition=HELD, line_number=None)
        )
        with self.transaction() as connection:
            if connection.execute(held).rowcount:
                take_back(connection, kind, partition_date)


def holds(connection: Connection) -> list[Hold]:
    """Returns what is held back now, oldest first."""
    newer = HOLDS.alias()
    is_overtaken = (
        select(newer.c.id)
        .where(
            newer.c.kind == HOLDS.c.kind,
            newer.c.user_profile_id == HOLDS.c.user_profile_id,
            newer.c.id > HOLDS.c.id,
        )
        .exists()
    )
    query = select(*(HOLDS.c[name] for name in Hold.__dataclass_fields__))
    query = query.where(HOLDS.c.is_held, ~is_overtaken).order_by(HOLDS.c.id)
    return [Hold(**row._mapping) for row in connection.execute(query)]


def let_go(
    connection: Connection, kind: Kind, record_ids: Iterable[int], replaced_at: datetime
) -> None:
    """Takes held records out of the partitions that were delivered without them.

    Args:
        connection: in a transaction, in which another partition claims them.
        kind: of the records.
        record_ids: which ones.
        replaced_at: until when their status there held.
    """
    for ids in batched_ids(record_ids):
        theirs = (
            CLAIMS.c.kind == kind.name,
            CLAIMS.c.record_id.in_(ids),
            CLAIMS.c.disposition == HELD,
        )
        days = connection.scalars(select(CLAIMS.c.partition_date).where(*theirs).distinct()).all()
        connection.execute(
            update(RECONCILIATIONS)
            .where(
                RECONCILIATIONS.c.kind == kind.name,
                RECONCILIATIONS.c.record_id.in_(ids),
                RECONCILIATIONS.c.replaced_at.is_(None),
            )
            .values(replaced_at=replaced_at)
        )
        connection.execute(delete(CLAIMS).where(*theirs))
        for day in days:
            count_anew(connection, kind, day)
