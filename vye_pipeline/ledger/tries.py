"""Every try of a put, recorded before anything leaves the process."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, insert, select, update

from vye_pipeline.ledger.connection import LedgerConnection, of_partition
from vye_pipeline.ledger.models import FILES, REFUSED, SUCCEEDED, TRIES, UNKNOWN
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried


class TriesMixin(LedgerConnection):
    """Tries of a put."""

    @retried
    def begin_try(
        self,
        partition_date: date,
        kind: Kind,
        *,
        revision: int = 1,
        fingerprint: str,
        begun_at: datetime,
    ) -> int:
        """Records that a put is about to be tried; how it ends is unknown until `end_try`.

        Args:
            partition_date: of the file.
            kind: of its records.
            revision: 1 for the file as it is delivered first, from 2 for a redelivery.
            fingerprint: of the bytes.
            begun_at: now.

        Returns:
            The try's id. One of that moment whose end is unknown is the same try.
        """
        row = {
            "partition_date": partition_date,
            "kind": kind.name,
            "revision": revision,
            "fingerprint": fingerprint,
            "begun_at": begun_at,
            "outcome": UNKNOWN,
        }
        known = select(TRIES.c.id).filter_by(**row, ended_at=None)
        with self.transaction() as connection:
            same = connection.scalar(known)
            if same is not None:
                return same
            added = connection.execute(insert(TRIES).values(row).returning(TRIES.c.id))
            return added.scalar_one()

    @retried
    def end_try(self, try_id: int, outcome: str, ended_at: datetime) -> None:
        """Records how a try of a put has ended: succeeded, refused or unknown."""
        ended = update(TRIES).where(TRIES.c.id == try_id)
        with self.transaction() as connection:
            connection.execute(ended.values(outcome=outcome, ended_at=ended_at))

    @retried
    def is_put(self, partition_date: date, kind: Kind, revision: int, fingerprint: str) -> bool:
        """Says whether a put of these bytes is known to have succeeded."""
        query = select(func.count()).where(
            *of_partition(TRIES, partition_date, kind),
            TRIES.c.revision == revision,
            TRIES.c.fingerprint == fingerprint,
            TRIES.c.outcome == SUCCEEDED,
        )
        with self.reading() as connection:
            return bool(connection.scalar(query))

    @retried
    def first_try(self, partition_date: date, kind: Kind, revision: int = 1) -> datetime | None:
        """Returns since when BDN can have had a file: None if it can't have had it.

        It is the earliest try of these bytes that is not known to have been refused
        (bdn-interface.md, part 3).

        Args:
            partition_date: of the file, as it is announced or delivered.
            kind: of its records.
            revision: 1 for the file as it was delivered first, from 2 for a redelivery.
        """
        announced = (
            select(FILES.c.fingerprint).where(*of_partition(FILES, partition_date, kind))
        ).scalar_subquery()
        query = select(func.min(TRIES.c.begun_at)).where(
            *of_partition(TRIES, partition_date, kind),
            TRIES.c.revision == revision,
            TRIES.c.fingerprint == announced,
            TRIES.c.outcome != REFUSED,
        )
        with self.reading() as connection:
            return connection.scalar(query)
