"""BDN's answers and people's resolutions, as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    delete,
    exists,
    insert,
    select,
    update,
)

from vye_pipeline.ledger import history
from vye_pipeline.ledger.connection import (
    LedgerConnection,
    insert_once,
    keep_statistics,
    of_partition,
)
from vye_pipeline.ledger.models import (
    ACKNOWLEDGEMENTS,
    CONTACT_LOOKUPS,
    EVIDENCE,
    FEEDS,
    ORPHANED_ACKNOWLEDGEMENTS,
    RECONCILIATIONS,
    RESOLUTIONS,
)
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.frames import append_frame, read_frame


class AnswersMixin(LedgerConnection):
    """Acknowledgements, feeds, statuses, resolutions."""

    @retried
    def record_acknowledgement(self, *, read_at: datetime, **row: object) -> None:
        """Keeps what an acknowledgement says of itself; of a known one, when it was read last."""
        key = {column.name: row[column.name] for column in ACKNOWLEDGEMENTS.primary_key}
        again = update(ACKNOWLEDGEMENTS).filter_by(**key).values(read_at=read_at)
        with self.transaction() as connection:
            if not connection.execute(again).rowcount:
                connection.execute(
                    insert(ACKNOWLEDGEMENTS).values(**row, recorded_at=read_at, read_at=read_at)
                )

    @retried
    def standing(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns how the records of a partition stand: the columns of `reconcile`."""
        query = select(*(RECONCILIATIONS.c[name] for name in (*history.CONTENT, history.KEY)))
        query = query.where(
            *of_partition(RECONCILIATIONS, partition_date, kind),
            RECONCILIATIONS.c.replaced_at.is_(None),
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def record_orphans(self, partition_date: date, orphans: Sequence[Orphan]) -> None:
        """Replaces the orphaned acknowledgements that a business day has found."""
        table = ORPHANED_ACKNOWLEDGEMENTS
        with self.transaction() as connection:
            keys = [orphan.object_key for orphan in orphans]
            is_replaced = (table.c.partition_date == partition_date) | table.c.object_key.in_(keys)
            connection.execute(delete(table).where(is_replaced))
            if orphans:
                connection.execute(insert(table), [vars(orphan) for orphan in orphans])

    @retried
    def acknowledgements(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns object_key, revision, snapshot_name of what was read last at each place.

        What is ignored is not among it, and takes no place.
        """
        rows = ACKNOWLEDGEMENTS.c
        query = (
            select(rows.object_key, rows.revision, rows.snapshot_name)
            .where(*of_partition(ACKNOWLEDGEMENTS, partition_date, kind))
            .where(rows.ignored_because.is_(None), ~_is_overtaken(counts=True))
            .order_by(rows.revision, rows.sequence)
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def acknowledgement_rows(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns all that is kept of a partition's acknowledgements, but their bytes."""
        query = select(*ACKNOWLEDGEMENTS.c).where(
            *of_partition(ACKNOWLEDGEMENTS, partition_date, kind)
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def ignored_acknowledgements(self, partition_date: date, kind: Kind) -> dict[str, str]:
        """Returns the keys of what was read last at a place and counts for nothing, and why."""
        rows = ACKNOWLEDGEMENTS.c
        query = (
            select(rows.object_key, rows.ignored_because)
            .where(*of_partition(ACKNOWLEDGEMENTS, partition_date, kind))
            .where(rows.ignored_because.is_not(None), ~_is_overtaken(counts=False))
        )
        with self.reading() as connection:
            ignored: dict[str, str] = dict(iter(connection.execute(query)))
            return ignored

    @retried
    def record_feed(self, **row: object) -> None:
        """Keeps what a feed is; of a known one nothing."""
        key = (FEEDS.c.feed_date == row["feed_date"], FEEDS.c.fingerprint == row["fingerprint"])
        with self.transaction() as connection:
            if not connection.scalar(select(exists().where(*key))):
                connection.execute(insert(FEEDS).values(**row))

    @retried
    def unanswered(self, before: date, statuses: Sequence[str]) -> pd.DataFrame:
        """Returns partition_date (ISO text), kind, record_id, line_number of older open lines.

        Args:
            before: only of older partitions.
            statuses: those that count as open.
        """
        query = select(
            RECONCILIATIONS.c.partition_date,
            RECONCILIATIONS.c.kind,
            RECONCILIATIONS.c.record_id,
            RECONCILIATIONS.c.line_number,
        ).where(
            RECONCILIATIONS.c.partition_date < before,
            RECONCILIATIONS.c.replaced_at.is_(None),
            RECONCILIATIONS.c.status.in_(statuses),
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def record_evidence(
        self, evidence: pd.DataFrame, feed_date: date, recorded_at: datetime
    ) -> None:
        """Keeps what a feed says of records; the newest feed that speaks of one counts.

        Args:
            evidence: kind, record_id, evidence, fields: a row per record.
            feed_date: of the feed.
            recorded_at: now.
        """
        owner: dict[str, Any] = {"feed_date": feed_date, "recorded_at": recorded_at}
        with self.transaction() as connection:
            connection.execute(delete(EVIDENCE).where(EVIDENCE.c.feed_date == feed_date))
            append_frame(connection, EVIDENCE, evidence.assign(**owner))

    @retried
    def reconcile(
        self, partition_date: date, kind: Kind, rows: pd.DataFrame, reconciled_at: datetime
    ) -> None:
        """Replaces what is known of a partition's records, and keeps what was known before.

        Args:
            partition_date: of the records.
            kind: of the records.
            rows: record_id, user_profile_id, line_number, status, reason_code, fields,
                acknowledgement_key: one row per record, and one per unexpected line.
            reconciled_at: the moment of the change, for the rows that have changed.

        Raises:
            PipelineError: defect: a status can't follow the one before it.
        """
        with self.transaction() as connection:
            history.replace(connection, partition_date, kind, rows, reconciled_at)
            keep_statistics(connection)

    @retried
    def resolve(self, resolutions: Sequence[dict[str, Any]]) -> None:
        """Closes what is open of some user profiles as it is known now, all in one transaction.

        Args:
            resolutions: partition_date, kind, user_profile_id, resolved_by, note, resolved_at.
        """
        with self.transaction() as connection:
            for closed in resolutions:
                insert_once(connection, RESOLUTIONS, **closed)

    @retried
    def record_contact_lookup(self, **row: object) -> None:
        """Records who looks up a veteran's contact details: user_profile_id, who, when and why."""
        with self.transaction() as connection:
            insert_once(connection, CONTACT_LOOKUPS, **row)


def _is_overtaken(*, counts: bool) -> ColumnElement[bool]:
    """Says whether something else was read later at the same place.

    Args:
        counts: only what counts itself.
    """
    newer = ACKNOWLEDGEMENTS.alias()
    is_newer = exists().where(
        newer.c.partition_date == ACKNOWLEDGEMENTS.c.partition_date,
        newer.c.kind == ACKNOWLEDGEMENTS.c.kind,
        newer.c.object_key == ACKNOWLEDGEMENTS.c.object_key,
        newer.c.read_at > ACKNOWLEDGEMENTS.c.read_at,
    )
    return is_newer.where(newer.c.ignored_because.is_(None)) if counts else is_newer
