"""A file's transfer outside the store, step by step.

To begin one counts as a try of which nobody knows yet how it ends, to confirm it as a delivery. The
database keeps a put and a hand-over of one file from going on at once (guards.py).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, exists, insert, select, update

from vye_pipeline.ledger.connection import (
    LedgerConnection,
    insert_once,
    of_partition,
)
from vye_pipeline.ledger.deliveries import record_delivery
from vye_pipeline.ledger.models import (
    BEGUN,
    CONFIRMED,
    HAND_OVERS,
    REFUSED,
    SUCCEEDED,
    TRIES,
    UNKNOWN,
    WITHDRAWN,
)
from vye_pipeline.ledger.open_work import open_hand_overs
from vye_pipeline.ledger.rows import BY_HAND, FileRow, HandOver, Receipt
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.frames import read_frame

SAME = ("partition_date", "kind", "step", "done_at")


class HandOversMixin(LedgerConnection):
    """Hand-overs."""

    @retried
    def open_hand_over(self, kind: Kind) -> HandOver | None:
        """Returns the hand-over of a kind that is begun and undecided, None where there is none."""
        with self.reading() as connection:
            return next((one for one in open_hand_overs(connection) if one.kind == kind.name), None)

    @retried
    def begin_hand_over(
        self, file: FileRow, kind: Kind, *, begun_by: str, begun_at: datetime
    ) -> HandOver:
        """Records that a rendered file is handed over, before it is; a repeat changes nothing.

        Args:
            file: as it is announced.
            kind: of its records.
            begun_by: who.
            begun_at: when (with zone).

        Raises:
            PipelineError: the database refuses it: the file is delivered, or a put of it may be
                under way.
        """
        with self.transaction() as connection:
            for known in open_hand_overs(connection):
                if (known.partition_date, known.kind) == (file.partition_date, kind.name):
                    return known
            row = {
                "partition_date": file.partition_date,
                "kind": kind.name,
                "fingerprint": file.fingerprint,
            }
            tried = insert(TRIES).values(**row, revision=1, begun_at=begun_at, outcome=UNKNOWN)
            try_id = connection.execute(tried.returning(TRIES.c.id)).scalar_one()
            step = {"try_id": try_id, "step": BEGUN, "done_by": begun_by, "done_at": begun_at}
            connection.execute(insert(HAND_OVERS).values(row | step))
            return next(one for one in open_hand_overs(connection) if one.kind == kind.name)

    @retried
    def confirm_hand_over(
        self, begun: HandOver, file: FileRow, kind: Kind, *, note: str, done_by: str, now: datetime
    ) -> Receipt:
        """Records that BDN has taken a file: it is delivered, in one transaction.

        Args:
            begun: the hand-over.
            file: as it is announced.
            kind: of its records.
            note: who took it, and when; no personal data.
            done_by: who says so.
            now: with zone.

        Raises:
            PipelineError: source: it is not the file that was handed over (any more).
        """
        with self.transaction() as connection:
            _add_step(connection, begun, CONFIRMED, note, done_by, now)
            _end_try(connection, begun, SUCCEEDED, now)
            return record_delivery(connection, file.receipt(now, BY_HAND), kind)

    @retried
    def withdraw_hand_over(
        self, begun: HandOver, *, note: str, done_by: str, now: datetime
    ) -> None:
        """Records that BDN has not received a handed-over file: the next run may put it."""
        with self.transaction() as connection:
            _add_step(connection, begun, WITHDRAWN, note, done_by, now)
            _end_try(connection, begun, REFUSED, now)

    @retried
    def hand_over_rows(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns the steps of a file's hand-overs, oldest first, as another ledger can take them.

        Columns: those of HAND_OVERS without the ids and the database's user.
        """
        left_out = {"id", "try_id", "database_user"}
        query = (
            select(*(column for column in HAND_OVERS.c if column.name not in left_out))
            .where(*of_partition(HAND_OVERS, partition_date, kind))
            .order_by(HAND_OVERS.c.id)
        )
        with self.reading() as connection:
            return read_frame(connection, query)

    @retried
    def take_up_hand_over(self, row: dict[str, Any]) -> None:
        """Takes up a step of a hand-over that the ledger has forgotten; its try is known."""
        tried = (
            select(TRIES.c.id)
            .filter_by(**{name: row[name] for name in ("partition_date", "kind", "fingerprint")})
            .where(TRIES.c.revision == 1)
            .order_by(TRIES.c.id.desc())
            .limit(1)
        )
        known = select(exists().where(*(HAND_OVERS.c[name] == row[name] for name in SAME)))
        with self.transaction() as connection:
            try_id = connection.scalar(tried)
            if try_id is not None and not connection.scalar(known):
                connection.execute(insert(HAND_OVERS).values(row | {"try_id": try_id}))

    @retried
    def undecided_tries(self, partition_date: date, kind: Kind) -> list[int]:
        """Returns the tries of a file's first put of which nobody knows how they ended."""
        query = select(TRIES.c.id).where(
            *of_partition(TRIES, partition_date, kind),
            TRIES.c.revision == 1,
            TRIES.c.outcome == UNKNOWN,
            TRIES.c.id.not_in(select(HAND_OVERS.c.try_id)),
        )
        with self.reading() as connection:
            return list(connection.scalars(query))


def _add_step(
    connection: Connection, begun: HandOver, step: str, note: str, done_by: str, now: datetime
) -> None:
    insert_once(
        connection,
        HAND_OVERS,
        try_id=begun.try_id,
        partition_date=begun.partition_date,
        kind=begun.kind,
        step=step,
        fingerprint=begun.fingerprint,
        note=note,
        done_by=done_by,
        done_at=now,
    )


def _end_try(connection: Connection, begun: HandOver, outcome: str, now: datetime) -> None:
    tried = update(TRIES).where(TRIES.c.id == begun.try_id)
    connection.execute(tried.values(outcome=outcome, ended_at=now))
