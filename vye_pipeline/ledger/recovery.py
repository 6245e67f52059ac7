"""How a ledger takes up again what it has forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, Table, delete, exists, insert, select, update

from vye_pipeline.ledger.claims import receipt_of
from vye_pipeline.ledger.connection import (
    LedgerConnection,
    batched_ids,
    insert_once,
    is_delivered,
    of_partition,
)
from vye_pipeline.ledger.holds import let_go
from vye_pipeline.ledger.models import (
    ACKNOWLEDGEMENTS,
    CLAIMS,
    CLOSINGS,
    DECISIONS,
    DELIVERIES,
    FILES,
    FINDINGS,
    HELD,
    OWNERS,
    PARTITION_CLONES,
    REDELIVERIES,
    SUCCEEDED,
    TRIES,
    UNKNOWN,
)
from vye_pipeline.ledger.rows import Receipt
from vye_pipeline.ledger.supersession import count_anew, supersede, take_back
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.frames import append_frame, read_frame


class RecoveryMixin(LedgerConnection):
    """What was remembered elsewhere comes back."""

    @retried
    def take_up(
        self,
        partition_date: date,
        kind: Kind,
        rows: Mapping[str, pd.DataFrame],
        *,
        is_delivered: bool,
    ) -> int:
        """Takes up a partition's file, clones, claims and findings as they were announced.

        Records that another, undelivered partition has claimed since go back to this one. A
        partition with a receipt stays as it is.

        Args:
            partition_date: of the file.
            kind: of its records.
            rows: by table, as `to_remember` returned them.
            is_delivered: whether the file was delivered: then its claims are exactly those. The
                claims of another one may have been overtaken since.

        Returns:
            How many of the records another delivered partition has claimed: they went out twice,
            and nothing is changed.
        """
        with self.transaction() as connection:
            if receipt_of(connection, partition_date, kind) is not None:
                return 0
            ids = rows[CLAIMS.name]["record_id"]
            others = _claimed_elsewhere(connection, partition_date, kind, ids)
            rows = _without_released(rows, others["record_id"])
            others = others[others["record_id"].isin(rows[CLAIMS.name]["record_id"])]
            is_held = others["disposition"] == HELD
            let_go(
                connection,
                kind,
                others.loc[is_held, "record_id"],
                rows[FILES.name]["claimed_at"][0],
            )
            others = others[~is_held]
            if others["is_delivered"].any():
                return int(others["is_delivered"].sum())
            _give_back(connection, kind, others)
            for table in (CLAIMS, PARTITION_CLONES):
                connection.execute(delete(table).where(*of_partition(table, partition_date, kind)))
            _write_file(connection, partition_date, kind, rows[FILES.name], is_delivered)
            for table in (CLOSINGS, OWNERS):
                _insert_missing(connection, table, rows[table.name])
            for table in (PARTITION_CLONES, CLAIMS, FINDINGS):
                append_frame(connection, table, _known_columns(table, rows[table.name]))
            count_anew(connection, kind, partition_date)
            if not is_delivered:
                supersede(connection, kind, partition_date)
        return 0

    @retried
    def receipts(self, first: date, last: date, kind: Kind) -> list[Receipt]:
        """Returns the receipts of a kind in some days, oldest first."""
        query = select(*DELIVERIES.c).where(
            DELIVERIES.c.kind == kind.name, DELIVERIES.c.partition_date.between(first, last)
        )
        with self.reading() as connection:
            found = connection.execute(query.order_by(DELIVERIES.c.partition_date))
            return [Receipt(**row._mapping) for row in found]

    @retried
    def take_up_try(
        self,
        partition_date: date,
        kind: Kind,
        revision: int,
        fingerprint: str,
        begun_at: datetime,
        outcome: str,
    ) -> None:
        """Takes up a try of a put, if no other that may have succeeded is known of these bytes."""
        same = (
            *of_partition(TRIES, partition_date, kind),
            TRIES.c.revision == revision,
            TRIES.c.fingerprint == fingerprint,
            TRIES.c.outcome.in_((outcome, SUCCEEDED, UNKNOWN)),
        )
        row = {
            "partition_date": partition_date,
            "kind": kind.name,
            "revision": revision,
            "fingerprint": fingerprint,
            "begun_at": begun_at,
            "outcome": outcome,
        }
        with self.transaction() as connection:
            if not connection.scalar(select(exists().where(*same))):
                connection.execute(insert(TRIES).values(row))

    @retried
    def take_up_redelivery(self, row: Mapping[str, Any]) -> None:
        """Takes up a redelivery, requested or done; one that is done stays as it is."""
        same = [column == row[column.name] for column in REDELIVERIES.primary_key]
        open_one = update(REDELIVERIES).where(*same, REDELIVERIES.c.redelivered_at.is_(None))
        with self.transaction() as connection:
            if not connection.scalar(select(exists().where(*same))):
                connection.execute(insert(REDELIVERIES).values(row))
            elif row["redelivered_at"] is not None:
                connection.execute(open_one.values(redelivered_at=row["redelivered_at"]))

    @retried
    def take_up_acknowledgement(self, row: Mapping[str, Any]) -> bool:
        """Takes up what an acknowledgement said of itself; says whether that was forgotten."""
        known = {name: value for name, value in row.items() if name in ACKNOWLEDGEMENTS.c}
        same = [column == known[column.name] for column in ACKNOWLEDGEMENTS.primary_key]
        with self.transaction() as connection:
            is_forgotten = not connection.scalar(select(exists().where(*same)))
            if is_forgotten:
                connection.execute(insert(ACKNOWLEDGEMENTS).values(known))
            return is_forgotten

    @retried
    def decide(self, **row: object) -> None:
        """Records what a person has decided: decision, object_key, fingerprint, who, when, why."""
        with self.transaction() as connection:
            insert_once(connection, DECISIONS, **row)


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns a frame's rows as plain values; days, which frames keep as text, as dates."""
    rows: list[dict[str, Any]] = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    for row in rows:
        day = row.get("partition_date")
        if isinstance(day, str):
            row["partition_date"] = date.fromisoformat(day)
    return rows


def _claimed_elsewhere(
    connection: Connection, partition_date: date, kind: Kind, ids: pd.Series[Any]
) -> pd.DataFrame:
    """Returns the claims of other partitions on some records.

    Columns: record_id, partition_date (ISO text), disposition, is_delivered.
    """
    claimed = select(
        CLAIMS.c.record_id,
        CLAIMS.c.partition_date,
        CLAIMS.c.disposition,
        is_delivered(CLAIMS).label("is_delivered"),
    ).where(CLAIMS.c.kind == kind.name, CLAIMS.c.partition_date != partition_date)
    parts = [
        read_frame(connection, claimed.where(CLAIMS.c.record_id.in_(some)))
        for some in batched_ids(ids) or [[]]
    ]
    return pd.concat(parts, ignore_index=True)


def _without_released(
    rows: Mapping[str, pd.DataFrame], claimed_elsewhere: pd.Series[Any]
) -> dict[str, pd.DataFrame]:
    """Leaves out what was held back here and released since: another partition has taken it up."""
    claims = rows[CLAIMS.name]
    is_held = claims["disposition"] == HELD
    released = claims.loc[is_held & claims["record_id"].isin(claimed_elsewhere), "record_id"]
    return dict(rows) | {
        table.name: rows[table.name][~rows[table.name]["record_id"].isin(released)]
        for table in (CLAIMS, FINDINGS)
    }


def _give_back(connection: Connection, kind: Kind, others: pd.DataFrame) -> None:
    """Takes records away from undelivered partitions: they belong to an older announcement."""
    for ids in batched_ids(others["record_id"]):
        connection.execute(
            delete(CLAIMS).where(CLAIMS.c.kind == kind.name, CLAIMS.c.record_id.in_(ids))
        )
    for text in others["partition_date"].unique():
        day = date.fromisoformat(str(text))
        take_back(connection, kind, day)
        count_anew(connection, kind, day)


def _insert_missing(connection: Connection, table: Table, frame: pd.DataFrame) -> None:
    """Adds the rows whose key isn't there: what the ledger knows of a clone stays."""
    for row in plain_rows(_known_columns(table, frame)):
        same = [column == row[column.name] for column in table.primary_key]
        if not connection.scalar(select(exists().where(*same))):
            connection.execute(insert(table).values(row))


def _write_file(
    connection: Connection,
    partition_date: date,
    kind: Kind,
    frame: pd.DataFrame,
    is_delivered: bool,
) -> None:
    """Writes the file as announced; of an undelivered one no version is used a second time."""
    (row,) = plain_rows(_known_columns(FILES, frame))
    mine = of_partition(FILES, partition_date, kind)
    version = connection.scalar(select(FILES.c.claims_version).where(*mine))
    if not is_delivered:
        row["claims_version"] = max(row["claims_version"], version or 0) + 1
    if version is None:
        connection.execute(insert(FILES).values(row))
    else:
        connection.execute(update(FILES).where(*mine).values(row))


def _known_columns(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in map(str, frame) if name in table.c]]
