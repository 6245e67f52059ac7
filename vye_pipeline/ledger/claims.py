"""How a partition claims its records, and what is known of the claims."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from vye_pipeline.ledger.connection import (
    LedgerConnection,
    batched_ids,
    keep_statistics,
    of_partition,
)
from vye_pipeline.ledger.holds import let_go
from vye_pipeline.ledger.models import (
    CLAIMS,
    DELIVERIES,
    EXPIRIES,
    FILES,
    FINDINGS,
    PARTITION_CLONES,
    REPLACED,
)
from vye_pipeline.ledger.rows import FileRow, FileState, Receipt
from vye_pipeline.ledger.supersession import delivered_lines, supersede
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Query
from vye_pipeline.sql.frames import append_frame, read_frame, read_ids


class ClaimsMixin(LedgerConnection):
    """Files, claims, findings, clones."""

    @retried
    def file(self, partition_date: date, kind: Kind) -> FileRow | None:
        """Returns the file of a partition, None where the partition was never read."""
        with self.reading() as connection:
            return _file_of(connection, partition_date, kind)

    @retried
    def state(self, partition_date: date, kind: Kind) -> FileState:
        """Returns how the file of a partition stands."""
        with self.reading() as connection:
            return _state_of(connection, partition_date, kind)

    @retried
    def claimed(self, partition_date: date, kind: Kind) -> tuple[FileState, pd.DataFrame]:
        """Returns how the file of a partition stands, and its claims at the same moment.

        Columns: record_id, user_profile_id, disposition, line_number, is_vanished.
        """
        with self.reading() as connection:
            state = _state_of(connection, partition_date, kind)
            return state, read_frame(connection, _claims_query(partition_date, kind))

    @retried
    def receipt(self, partition_date: date, kind: Kind) -> Receipt | None:
        """Returns the receipt of a delivered partition, None where it isn't delivered."""
        with self.reading() as connection:
            return receipt_of(connection, partition_date, kind)

    @retried
    def clones(self, partition_date: date, kind: Kind) -> list[int]:
        """Returns the ids of the BDN clones that a partition has read."""
        with self.reading() as connection:
            return list(
                connection.scalars(
                    select(PARTITION_CLONES.c.bdn_clone_id).where(
                        *of_partition(PARTITION_CLONES, partition_date, kind)
                    )
                )
            )

    @retried
    def claims_in_clones(self, kind: Kind, clone_ids: Sequence[int]) -> pd.DataFrame:
        """Returns record_id and partition_date (ISO text) of all claims in some BDN clones."""
        query = select(CLAIMS.c.record_id, CLAIMS.c.partition_date).where(
            *_in_clones(kind, clone_ids)
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def claims_on(self, kind: Kind, record_ids: pd.Series[Any]) -> pd.DataFrame:
        """Returns record_id, partition_date (ISO text), bdn_clone_id of the claims on records."""
        columns = (CLAIMS.c.record_id, CLAIMS.c.partition_date, CLAIMS.c.bdn_clone_id)
        query = select(*columns).where(CLAIMS.c.kind == kind.name)
        with self.reading() as connection:
            return pd.concat(
                [
                    read_frame(connection, query.where(CLAIMS.c.record_id.in_(ids)))
                    for ids in batched_ids(record_ids) or [[]]
                ],
                ignore_index=True,
            )

    @retried
    def claimed_ids(self, kind: Kind, clone_ids: Sequence[int]) -> NDArray[np.int64]:
        """Returns the ids of all records in some BDN clones that are claimed."""
        with self.reading() as connection:
            return read_ids(
                connection, select(CLAIMS.c.record_id).where(*_in_clones(kind, clone_ids))
            )

    @retried
    def claim(
        self,
        file: FileRow,
        kind: Kind,
        *,
        clone_ids: Sequence[int],
        claims: pd.DataFrame,
        findings: pd.DataFrame,
        released: Sequence[int] = (),
        claimed_at: datetime,
    ) -> tuple[int, int]:
        """Replaces an undelivered partition's claims in one transaction.

        Args:
            file: the partition's file, not rendered yet.
            kind: of the records.
            clone_ids: the BDN clones that were read, those of the claims among them.
            claims: record_id, user_info_id, user_profile_id, bdn_clone_id, created_at (UTC),
                transact_date, disposition, line_number, is_vanished: a row per record.
            findings: record_id, field, code, is_quarantining.
            released: ids of those that a delivered partition had held back until now.
            claimed_at: the moment of the claim.

        Returns:
            The version of the claims; and how many lines a newer, delivered change has overtaken:
            they are superseded now, and the others numbered anew.

        Raises:
            PipelineError: another partition has claimed one of the records, or this one is
                delivered; nothing is changed.
        """
        owner: dict[str, Any] = {"partition_date": file.partition_date, "kind": kind.name}
        with self.transaction() as connection:
            for table in (CLAIMS, PARTITION_CLONES):
                connection.execute(
                    delete(table).where(*of_partition(table, file.partition_date, kind))
                )
            let_go(connection, kind, released, claimed_at)
            _write_file(connection, file, kind, claimed_at)
            if clone_ids:
                connection.execute(
                    insert(PARTITION_CLONES), [owner | row for row in _tallied(clone_ids, claims)]
                )
            append_frame(connection, CLAIMS, claims.assign(**owner))
            append_frame(connection, FINDINGS, findings.assign(kind=kind.name))
            keep_statistics(connection)
            overtaken = supersede(connection, kind, file.partition_date)
            version = select(FILES.c.claims_version).where(
                *of_partition(FILES, file.partition_date, kind)
            )
            return connection.execute(version).scalar_one(), overtaken

    @retried
    def findings(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns record_id, field, code, is_quarantining of a partition's records."""
        query = (
            select(
                FINDINGS.c.record_id, FINDINGS.c.field, FINDINGS.c.code, FINDINGS.c.is_quarantining
            )
            .join(
                CLAIMS,
                and_(CLAIMS.c.kind == FINDINGS.c.kind, CLAIMS.c.record_id == FINDINGS.c.record_id),
            )
            .where(*of_partition(CLAIMS, partition_date, kind))
            .order_by(FINDINGS.c.record_id, FINDINGS.c.field, FINDINGS.c.code)
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def delivered_lines(self, kind: Kind, closed_since: datetime, other_than: date) -> pd.DataFrame:
        """Returns what may have overtaken changes of a partition (`delivered_lines`)."""
        with self.reading() as connection:
            return delivered_lines(connection, kind, closed_since, other_than)

    @retried
    def record_count(self, partition_date: date, kind: Kind) -> int:
        """Counts the records of a partition, without the replaced."""
        query = select(func.count()).where(
            *of_partition(CLAIMS, partition_date, kind), CLAIMS.c.disposition != REPLACED
        )
        with self.reading() as connection:
            return connection.scalar(query) or 0


def _write_file(connection: Connection, file: FileRow, kind: Kind, claimed_at: datetime) -> None:
    """Writes a partition's file with the next version; the first time it begins with 1."""
    values = {**vars(file), "claimed_at": claimed_at}
    again = {"claims_version": FILES.c.claims_version + 1}
    known = update(FILES).where(*of_partition(FILES, file.partition_date, kind))
    if not connection.execute(known.values(values | again)).rowcount:
        first = {"claims_version": 1, "first_claimed_at": claimed_at}
        connection.execute(insert(FILES).values(values | first))


def _tallied(clone_ids: Sequence[int], claims: pd.DataFrame) -> list[dict[str, int]]:
    """Returns a row per clone: how many of its records are claimed, and the sum of their ids."""
    of_a_clone = claims.loc[claims["bdn_clone_id"].notna()].groupby("bdn_clone_id")["record_id"]
    counts, sums = of_a_clone.count().to_dict(), of_a_clone.sum().to_dict()
    return [
        {
            "bdn_clone_id": clone,
            "record_count": int(counts.get(clone, 0)),
            "record_id_sum": int(sums.get(clone, 0)),
        }
        for clone in clone_ids
    ]


def _in_clones(kind: Kind, clone_ids: Sequence[int]) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions that a claim is of some clones, by the partitions that read them."""
    readers = select(PARTITION_CLONES.c.partition_date).where(
        PARTITION_CLONES.c.kind == kind.name, PARTITION_CLONES.c.bdn_clone_id.in_(clone_ids)
    )
    return (
        CLAIMS.c.kind == kind.name,
        CLAIMS.c.partition_date.in_(readers),
        CLAIMS.c.bdn_clone_id.in_(clone_ids),
    )


def _claims_query(partition_date: date, kind: Kind) -> Query:
    return select(
        CLAIMS.c.record_id,
        CLAIMS.c.user_profile_id,
        CLAIMS.c.disposition,
        CLAIMS.c.line_number,
        CLAIMS.c.is_vanished,
    ).where(*of_partition(CLAIMS, partition_date, kind))


def _file_of(connection: Connection, partition_date: date, kind: Kind) -> FileRow | None:
    query = file_query().where(*of_partition(FILES, partition_date, kind))
    row = connection.execute(query).one_or_none()
    return FileRow(**row._mapping) if row else None


def _state_of(connection: Connection, partition_date: date, kind: Kind) -> FileState:
    expired = select(EXPIRIES.c.expired_at).where(*of_partition(EXPIRIES, partition_date, kind))
    return FileState(
        partition_date,
        kind.name,
        _file_of(connection, partition_date, kind),
        receipt_of(connection, partition_date, kind),
        connection.scalar(expired),
    )


def receipt_of(connection: Connection, partition_date: date, kind: Kind) -> Receipt | None:
    """Returns the receipt of a partition, None where it isn't delivered."""
    query = select(*DELIVERIES.c).where(*of_partition(DELIVERIES, partition_date, kind))
    row = connection.execute(query).one_or_none()
    return Receipt(**row._mapping) if row else None


def file_query() -> Query:
    """Selects the columns of a FileRow."""
    return select(*(FILES.c[name] for name in FileRow.__dataclass_fields__))
