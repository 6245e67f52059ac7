"""The ledger beside its second memory, the snapshots and the object store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
from sqlalchemy import Column, ColumnElement, Table, and_, false, func, or_, select, true

from vye_pipeline.ledger.connection import LedgerConnection, is_delivered, of_partition
from vye_pipeline.ledger.membership import IS_READ
from vye_pipeline.ledger.models import (
    CLAIMS,
    CLOSINGS,
    DECISIONS,
    DELIVERIES,
    DISOWNED,
    FILES,
    FINDINGS,
    OWNERS,
    PARTITION_CLONES,
    REDELIVERIES,
    TRIES,
)
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Query
from vye_pipeline.sql.frames import read_frame

# A partition's rows that an announcement carries, in the order in which they can be inserted.
REMEMBERED = (FILES, PARTITION_CLONES, CLAIMS)


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a kind's files in some days.

    Attributes:
        sent: partition date and revision of each file with a receipt, and of each redelivery.
        tried: partition date, revision and fingerprint of each try of a put.
        rendered: the fingerprint of each partition's file as it is rendered now.
        disowned: key and fingerprint of each object that is not this pipeline's.
    """

    sent: set[tuple[date, int]]
    tried: set[tuple[date, int, str]]
    rendered: dict[date, str]
    disowned: set[tuple[str, str]]


class SecondMemoryMixin(LedgerConnection):
    """What is remembered elsewhere too."""

    @retried
    def receipt_dates(self, kind: Kind) -> set[date]:
        """Returns the partitions of a kind that have a receipt."""
        query = select(DELIVERIES.c.partition_date).where(DELIVERIES.c.kind == kind.name)
        with self.reading() as connection:
            return set(connection.scalars(query))

    @retried
    def newest_receipt_date(self, kind: Kind) -> date | None:
        """Returns the newest partition of a kind that has a receipt."""
        query = select(func.max(DELIVERIES.c.partition_date)).where(DELIVERIES.c.kind == kind.name)
        with self.reading() as connection:
            newest: date | None = connection.scalar(query)
            return newest

    @retried
    def unfinished_days(self, kind: Kind) -> set[date]:
        """Returns the partitions of a kind with a file but no receipt, or with an unread clone."""
        files = select(FILES.c.partition_date).where(
            FILES.c.kind == kind.name, ~is_delivered(FILES)
        )
        clones = select(OWNERS.c.partition_date).where(
            OWNERS.c.kind == kind.name, OWNERS.c.partition_date.is_not(None), ~IS_READ
        )
        with self.reading() as connection:
            return set(connection.scalars(files.union(clones)))

    @retried
    def known(self, kind: Kind, spans: Sequence[tuple[date, date]]) -> Known:
        """Returns what the ledger knows of a kind's files.

        Args:
            kind: of the records.
            spans: first and last day of each stretch that is looked at.
        """

        def rows(table: Table, *columns: Column[object]) -> Query:
            return select(table.c.partition_date, *columns).where(
                table.c.kind == kind.name, _within(table.c.partition_date, spans)
            )

        with self.reading() as connection:
            sent = {(day, 1) for day in connection.scalars(rows(DELIVERIES))}
            again = connection.execute(rows(REDELIVERIES, REDELIVERIES.c.revision))
            tried = connection.execute(rows(TRIES, TRIES.c.revision, TRIES.c.fingerprint))
            rendered = connection.execute(rows(FILES, FILES.c.fingerprint))
            disowned = connection.execute(
                select(DECISIONS.c.object_key, DECISIONS.c.fingerprint).where(
                    DECISIONS.c.decision == DISOWNED
                )
            )
            return Known(
                sent | {(row[0], row[1]) for row in again},
                {(row[0], row[1], row[2]) for row in tried},
                {row[0]: row[1] for row in rendered if row[1]},
                {(row[0], row[1]) for row in disowned},
            )

    @retried
    def to_remember(self, partition_date: date, kind: Kind) -> dict[str, pd.DataFrame]:
        """Returns a partition's rows by table: file, clones, closings, owners, claims, findings."""
        findings = (
            select(*FINDINGS.c)
            .join(
                CLAIMS,
                and_(CLAIMS.c.kind == FINDINGS.c.kind, CLAIMS.c.record_id == FINDINGS.c.record_id),
            )
            .where(*of_partition(CLAIMS, partition_date, kind))
        )
        with self.reading() as connection:
            rows = {
                table.name: read_frame(
                    connection, select(*table.c).where(*of_partition(table, partition_date, kind))
                )
                for table in REMEMBERED
            }
            owned = select(PARTITION_CLONES.c.bdn_clone_id).where(
                *of_partition(PARTITION_CLONES, partition_date, kind)
            )
            closings = select(*CLOSINGS.c).where(CLOSINGS.c.bdn_clone_id.in_(owned))
            owners = select(*OWNERS.c).where(
                OWNERS.c.kind == kind.name, OWNERS.c.bdn_clone_id.in_(owned)
            )
            return rows | {
                FINDINGS.name: read_frame(connection, findings),
                CLOSINGS.name: read_frame(connection, closings),
                OWNERS.name: read_frame(connection, owners),
            }


def _within(column: Column[object], spans: Sequence[tuple[date, date]]) -> ColumnElement[bool]:
    return (
        or_(false(), *(column.between(first, last) for first, last in spans)) if spans else true()
    )
