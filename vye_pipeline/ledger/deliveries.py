"""How a file goes out: announced, delivered, failed, delivered again."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    Connection,
    func,
    insert,
    literal,
    select,
    update,
)

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.errors import PipelineError, source_error
from vye_pipeline.ledger.claims import file_query, receipt_of
from vye_pipeline.ledger.connection import (
    LedgerConnection,
    insert_once,
    is_delivered,
    of_partition,
)
from vye_pipeline.ledger.models import DELIVERIES, FAILURES, FILES, REDELIVERIES
from vye_pipeline.ledger.open_work import undelivered_counts
from vye_pipeline.ledger.rows import PUT, FileRow, Receipt, RedeliveryRow, SentObject
from vye_pipeline.ledger.supersession import supersede
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried

FIRST_REVISION_AGAIN = 2


class DeliveriesMixin(LedgerConnection):
    """Deliveries, failures, redeliveries."""

    @retried
    def announce(
        self,
        partition_date: date,
        kind: Kind,
        claims_version: int,
        *,
        fingerprint: str,
        byte_count: int,
        line_count: int,
    ) -> bool:
        """Records what the file's bytes are, before anything is put; a delivered one stays.

        Args:
            partition_date: of the file.
            kind: of its records.
            claims_version: of the claims that it is made of.
            fingerprint: of the file.
            byte_count: of the file.
            line_count: of the file.

        Returns:
            False if the claims have changed since, so that it is not their file.
        """
        announced = (
            update(FILES)
            .where(*of_partition(FILES, partition_date, kind), ~is_delivered(FILES))
            .where(FILES.c.claims_version == claims_version)
            .values(fingerprint=fingerprint, byte_count=byte_count, line_count=line_count)
        )
        with self.transaction() as connection:
            if connection.execute(announced).rowcount:
                return True
            return receipt_of(connection, partition_date, kind) is not None

    @retried
    def rendered_files(self, kind: Kind) -> list[FileRow]:
        """Returns the files that are rendered and not delivered, oldest first.

        Of each of them the object may lie in the store all the same: a process may have died
        between the put and the receipt.
        """
        query = (
            file_query()
            .where(
                FILES.c.kind == kind.name, FILES.c.fingerprint.is_not(None), ~is_delivered(FILES)
            )
            .order_by(FILES.c.partition_date)
        )
        with self.reading() as connection:
            return [FileRow(**row._mapping) for row in connection.execute(query)]

    @retried
    def deliver(self, file: FileRow, kind: Kind, delivered_at: datetime, way: str = PUT) -> Receipt:
        """Records a delivery (`record_delivery`).

        Args:
            file: as it is announced.
            kind: of its records.
            delivered_at: when (with zone).
            way: put, or by hand.

        Returns:
            The receipt; of a partition that has one already, that one.

        Raises:
            PipelineError: source: the file is not the one that is announced (any more).
        """
        with self.transaction() as connection:
            return record_delivery(connection, file.receipt(delivered_at, way), kind)

    @retried
    def fail(
        self,
        partition_date: date,
        kind: Kind,
        error: PipelineError,
        *,
        step: str,
        run_id: str | None,
        failed_at: datetime,
    ) -> tuple[int, int]:
        """Records a failed step and returns how many records and profiles it holds back."""
        with self.transaction() as connection:
            records, profiles = undelivered_counts(connection, partition_date, kind)
            insert_once(
                connection,
                FAILURES,
                partition_date=partition_date,
                kind=kind.name,
                step=step,
                failed_at=failed_at,
                run_id=run_id,
                cause=error.cause.value,
                is_transient=error.is_transient,
                what=error.what,
                next_step=error.next_step,
                record_count=records,
                profile_count=profiles,
            )
        return records, profiles

    @retried
    def request_redelivery(
        self,
        receipt: Receipt,
        kind: Kind,
        *,
        requested_by: str,
        reason: str,
        requested_at: datetime,
    ) -> RedeliveryRow:
        """Records that a delivered file is to be put again, under its next revision.

        A request that has not been carried out yet is resumed instead of making a new one.
        """
        query = select(*REDELIVERIES.c).where(
            *of_partition(REDELIVERIES, receipt.partition_date, kind)
        )
        with self.transaction() as connection:
            known = [
                RedeliveryRow(**row._mapping)
                for row in connection.execute(query.order_by(REDELIVERIES.c.revision))
            ]
            if known and known[-1].redelivered_at is None:
                return known[-1]
            revision = len(known) + FIRST_REVISION_AGAIN
            requested = RedeliveryRow(
                partition_date=receipt.partition_date,
                kind=receipt.kind,
                revision=revision,
                object_key=outbound_key(kind, receipt.partition_date, revision),
                fingerprint=receipt.fingerprint,
                requested_by=requested_by,
                reason=reason,
                requested_at=requested_at,
                redelivered_at=None,
            )
            connection.execute(insert(REDELIVERIES).values(vars(requested)))
        return requested

    @retried
    def redeliver(self, requested: RedeliveryRow, redelivered_at: datetime) -> None:
        """Records that a redelivery lies in the object store."""
        done = update(REDELIVERIES).where(
            REDELIVERIES.c.object_key == requested.object_key,
            REDELIVERIES.c.redelivered_at.is_(None),
        )
        with self.transaction() as connection:
            connection.execute(done.values(redelivered_at=redelivered_at))

    @retried
    def revision(self, partition_date: date, kind: Kind) -> int:
        """Returns the newest revision of a partition's file that BDN can have seen."""
        query = select(func.max(REDELIVERIES.c.revision)).where(
            *of_partition(REDELIVERIES, partition_date, kind)
        )
        with self.reading() as connection:
            return connection.scalar(query) or 1

    @retried
    def sent_objects(self, first: date, last: date) -> list[SentObject]:
        """Returns what BDN was sent of some days, redeliveries too, by day."""
        columns = ("partition_date", "kind", "object_key", "fingerprint")
        delivered, again = (
            select(*(table.c[name] for name in columns), way).where(
                table.c.partition_date.between(first, last)
            )
            for table, way in (
                (DELIVERIES, DELIVERIES.c.way),
                (REDELIVERIES, literal(PUT).label("way")),
            )
        )
        query = delivered.union_all(again.where(REDELIVERIES.c.redelivered_at.is_not(None)))
        with self.reading() as connection:
            rows = [SentObject(**row._mapping) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: (row.partition_date, row.object_key))


def record_delivery(connection: Connection, receipt: Receipt, kind: Kind) -> Receipt:
    """Writes a receipt, and marks what the delivery overtakes in undelivered partitions.

    Their files, if rendered, are taken back (`supersede`).

    Returns:
        The receipt; of a partition that has one already, that one.

    Raises:
        PipelineError: source: the file is not the one that is announced (any more).
    """
    known = receipt_of(connection, receipt.partition_date, kind)
    if known is not None:
        return known
    _refuse_unless_announced(connection, receipt, kind)
    connection.execute(insert(DELIVERIES).values(vars(receipt)))
    undelivered = select(FILES.c.partition_date).where(
        FILES.c.kind == kind.name, ~is_delivered(FILES)
    )
    for day in connection.scalars(undelivered).all():
        supersede(connection, kind, day)
    return receipt


def _refuse_unless_announced(connection: Connection, receipt: Receipt, kind: Kind) -> None:
    """Holds a receipt to the file that is announced now: a run may have lost its lock."""
    announced = select(FILES.c.fingerprint).where(
        *of_partition(FILES, receipt.partition_date, kind)
    )
    if connection.scalar(announced.with_for_update()) != receipt.fingerprint:
        raise source_error(
            f"the {kind.name} of {receipt.partition_date} have changed during their delivery",
            is_transient=False,
            next_step=f"vye egress {receipt.partition_date} --kind {kind.name}",
        )
