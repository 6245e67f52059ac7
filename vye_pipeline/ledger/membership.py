"""How closed BDN clones get their owners, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from vye_pipeline.ledger.connection import LedgerConnection, is_delivered
from vye_pipeline.ledger.models import (
    CLOSINGS,
    DELIVERIES,
    FAILURES,
    FILES,
    OWNERS,
    PARTITION_CLONES,
    RELEASES,
)
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Query

IS_READ = exists().where(
    PARTITION_CLONES.c.bdn_clone_id == OWNERS.c.bdn_clone_id,
    PARTITION_CLONES.c.kind == OWNERS.c.kind,
)


@dataclass(frozen=True)
class OwnedClone:
    """A closed BDN clone that some partition of a kind owns.

    Attributes:
        bdn_clone_id: the clone.
        closed_at: when VYE closed it (UTC).
        partition_date: the partition that owns it.
        is_read: whether any partition has read it.
    """

    bdn_clone_id: int
    closed_at: datetime
    partition_date: date
    is_read: bool


@dataclass(frozen=True)
class CloneState:
    """How far a closed BDN clone is, over all kinds.

    Attributes:
        bdn_clone_id: the clone.
        first_seen_at: when it was first seen closed (UTC).
        owned_kinds: kinds that have an owner.
        read_kinds: kinds that have read it.
        open_files: undelivered files of those that have read it.
        record_count: records of it that are claimed.
    """

    bdn_clone_id: int
    first_seen_at: datetime
    owned_kinds: int
    read_kinds: int
    open_files: int
    record_count: int


@dataclass(frozen=True)
class OpenDays:
    """What the ledger knows of the days of a kind that may have to run.

    Attributes:
        clones: closed clones that nobody has read, and all of the newest days.
        claimed: days that have claimed their records and are not delivered.
        failed: undelivered days of which a step has failed.
        delivered: of the newest days those that are delivered.
    """

    clones: list[OwnedClone]
    claimed: set[date]
    failed: set[date]
    delivered: set[date]


@dataclass(frozen=True)
class Tally:
    """How many records there are, and the sum of their ids: the same for the same records."""

    record_count: int
    record_id_sum: int


class MembershipMixin(LedgerConnection):
    """Closings, owners, releases of BDN clones."""

    @retried
    def closed_clones(self) -> set[int]:
        """Returns the ids of the BDN clones of which the ledger knows that they are closed."""
        with self.reading() as connection:
            return set(connection.scalars(select(CLOSINGS.c.bdn_clone_id)))

    @retried
    def last_closed_at(self) -> datetime | None:
        """Returns when VYE closed the newest clone that the ledger knows (UTC)."""
        with self.reading() as connection:
            return connection.scalar(select(func.max(CLOSINGS.c.closed_at)))

    @retried
    def closed_at(self, clone_ids: Sequence[int]) -> dict[int, datetime]:
        """Returns when VYE closed some clones (UTC); of unknown ones nothing."""
        query = select(CLOSINGS.c.bdn_clone_id, CLOSINGS.c.closed_at).where(
            CLOSINGS.c.bdn_clone_id.in_(clone_ids)
        )
        with self.reading() as connection:
            return dict(iter(connection.execute(query)))

    @retried
    def delivered_days(self, kind: str, since: date) -> set[date]:
        """Returns the partitions of a kind that are delivered, from a day on."""
        query = select(DELIVERIES.c.partition_date).where(
            DELIVERIES.c.kind == kind, DELIVERIES.c.partition_date >= since
        )
        with self.reading() as connection:
            return set(connection.scalars(query))

    @retried
    def record_closing(
        self,
        bdn_clone_id: int,
        closed_at: datetime,
        first_seen_at: datetime,
        owners: Mapping[str, date | None],
    ) -> None:
        """Records when a clone was closed and who owns it by kind; of a known one nothing."""
        closing = {
            "bdn_clone_id": bdn_clone_id,
            "closed_at": closed_at,
            "first_seen_at": first_seen_at,
        }
        rows = [
            {"bdn_clone_id": bdn_clone_id, "kind": kind, "partition_date": day}
            for kind, day in owners.items()
        ]
        with self.transaction() as connection:
            insert_new = _insert_of(connection)
            new = insert_new(CLOSINGS).values(closing).on_conflict_do_nothing()
            if connection.execute(new).rowcount:  # of two looks at once, one records it
                connection.execute(insert(OWNERS), rows)

    @retried
    def unowned_clones(self) -> list[int]:
        """Returns the clones that no partition owns: they were closed after the last one."""
        query = select(OWNERS.c.bdn_clone_id).where(OWNERS.c.partition_date.is_(None)).distinct()
        with self.reading() as connection:
            return sorted(connection.scalars(query))

    @retried
    def owned_clones(self, kind: Kind, first: date, last: date) -> list[OwnedClone]:
        """Returns the clones of the partitions from first to last, in the order of closing."""
        with self.reading() as connection:
            return owned_clones(connection, kind.name, OWNERS.c.partition_date.between(first, last))

    @retried
    def is_closed(self, partition_date: date, kind: Kind) -> bool:
        """Says whether a partition needs no run any more (`is_closed`)."""
        asked = select(
            literal(partition_date).label("partition_date"), literal(kind.name).label("kind")
        ).subquery()
        with self.reading() as connection:
            return bool(connection.scalar(select(func.count()).where(is_closed(asked))))

    @retried
    def clone_states(self, clone_ids: Sequence[int]) -> list[CloneState]:
        """Returns how far some closed clones are; of the others nothing."""
        with self.reading() as connection:
            return [
                CloneState(**row._mapping)
                for row in connection.execute(
                    _state_query().where(CLOSINGS.c.bdn_clone_id.in_(clone_ids))
                )
            ]

    @retried
    def record_release(
        self, bdn_clone_id: int, export_ready: bool | None, reason: str, released_at: datetime
    ) -> None:
        """Records that a clone's flag is to be written and why; a repeat of the last adds none."""
        last = (
            select(RELEASES.c.export_ready)
            .where(RELEASES.c.bdn_clone_id == bdn_clone_id)
            .order_by(RELEASES.c.id.desc())
            .limit(1)
        )
        with self.transaction() as connection:
            row = connection.execute(last).one_or_none()
            if row is None or row.export_ready is not export_ready:
                connection.execute(
                    insert(RELEASES).values(
                        bdn_clone_id=bdn_clone_id,
                        export_ready=export_ready,
                        reason=reason,
                        released_at=released_at,
                    )
                )

    @retried
    def claimed_tallies(self, kind: Kind, clone_ids: Sequence[int]) -> dict[int, Tally]:
        """Returns the tallies of the claimed records of some clones that were read."""
        query = (
            select(
                PARTITION_CLONES.c.bdn_clone_id,
                func.sum(PARTITION_CLONES.c.record_count),
                func.sum(PARTITION_CLONES.c.record_id_sum),
            )
            .where(
                PARTITION_CLONES.c.kind == kind.name, PARTITION_CLONES.c.bdn_clone_id.in_(clone_ids)
            )
            .group_by(PARTITION_CLONES.c.bdn_clone_id)
        )
        with self.reading() as connection:
            return {
                clone: Tally(int(count), int(ids))
                for clone, count, ids in connection.execute(query)
            }


def is_closed(rows: FromClause) -> ColumnElement[bool]:
    """Returns the condition that a row's partition and kind need no run any more.

    A later day is delivered, and nothing was left for this one: it has claimed nothing, and no
    clone of its own is unread (vye-database.md).
    """
    return and_(
        exists().where(
            DELIVERIES.c.kind == rows.c.kind, DELIVERIES.c.partition_date > rows.c.partition_date
        ),
        ~exists().where(
            FILES.c.kind == rows.c.kind, FILES.c.partition_date == rows.c.partition_date
        ),
        ~exists().where(
            OWNERS.c.kind == rows.c.kind, OWNERS.c.partition_date == rows.c.partition_date, ~IS_READ
        ),
    )


def owned_clones(
    connection: Connection, kind: str, *conditions: ColumnElement[bool]
) -> list[OwnedClone]:
    """Returns the closed clones of a kind that meet some conditions, in the order of closing."""
    query = (
        select(
            OWNERS.c.bdn_clone_id,
            CLOSINGS.c.closed_at,
            OWNERS.c.partition_date,
            IS_READ.label("is_read"),
        )
        .join(CLOSINGS, CLOSINGS.c.bdn_clone_id == OWNERS.c.bdn_clone_id)
        .where(OWNERS.c.kind == kind, OWNERS.c.partition_date.is_not(None), *conditions)
        .order_by(CLOSINGS.c.closed_at, OWNERS.c.bdn_clone_id)
    )
    return [OwnedClone(**row._mapping) for row in connection.execute(query)]


def open_days(connection: Connection, kind: str, since: date) -> OpenDays:
    """Returns what is known of the days of a kind that may have to run.

    Args:
        connection: to the ledger.
        kind: the kind's name.
        since: the first of the newest days.
    """
    claimed, failed = (
        select(table.c.partition_date).where(table.c.kind == kind, ~is_delivered(table))
        for table in (FILES, FAILURES)
    )
    delivered = select(DELIVERIES.c.partition_date).where(
        DELIVERIES.c.kind == kind, DELIVERIES.c.partition_date >= since
    )
    is_live = or_(OWNERS.c.partition_date >= since, ~IS_READ)
    return OpenDays(
        owned_clones(connection, kind, is_live),
        *(set(connection.scalars(query)) for query in (claimed, failed, delivered)),
    )


def _state_query() -> Query:
    owned = (
        select(func.count())
        .where(
            OWNERS.c.bdn_clone_id == CLOSINGS.c.bdn_clone_id, OWNERS.c.partition_date.is_not(None)
        )
        .scalar_subquery()
    )
    readers = PARTITION_CLONES.c.bdn_clone_id == CLOSINGS.c.bdn_clone_id
    read = select(func.count(PARTITION_CLONES.c.kind.distinct())).where(readers).scalar_subquery()
    open_files = (
        select(func.count()).where(readers, ~is_delivered(PARTITION_CLONES)).scalar_subquery()
    )
    records = (
        select(func.coalesce(func.sum(PARTITION_CLONES.c.record_count), 0))
        .where(readers)
        .scalar_subquery()
    )
    return select(
        CLOSINGS.c.bdn_clone_id,
        CLOSINGS.c.first_seen_at,
        owned.label("owned_kinds"),
        read.label("read_kinds"),
        open_files.label("open_files"),
        records.label("record_count"),
    )


def _insert_of(connection: Connection) -> Any:
    """Returns the dialect's INSERT, which leaves alone what is there; only writers load it."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert
