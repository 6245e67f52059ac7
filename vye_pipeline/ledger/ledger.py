"""The ledger's verbs: each is one transaction, each can be repeated after a crash or a lost answer.

It is the truth about what was sent (architecture.md, rule 5). A record is claimed by one partition
for good; until the partition's file is delivered its claims may be taken again from the source;
after that the database itself refuses any change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar, cast

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.database import Database, Query, append_frame, read_frame
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.ledger import history, schema
from vye_pipeline.ledger.lock import exclusive
from vye_pipeline.ledger.models import (
    LINE,
    SUPERSEDED,
    Acknowledgement,
    Base,
    Claim,
    ContactLookup,
    Delivery,
    Evidence,
    Failure,
    Feed,
    File,
    Finding,
    OrphanedAcknowledgement,
    PartitionClone,
    Reconciliation,
    Redelivery,
    Resolution,
)
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.settings import Settings

FIRST_REVISION_AGAIN = 2
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileRow:
    """What the ledger knows of a partition's file (times in UTC; digests in hex)."""

    partition_date: date
    kind: str
    file_name: str
    object_key: str
    snapshot_name: str
    sha256: str | None
    byte_count: int | None
    line_count: int | None


@dataclass(frozen=True)
class Receipt:
    """A delivery: what lies in the object store, and since when (UTC)."""

    partition_date: date
    kind: str
    object_key: str
    sha256: str
    byte_count: int
    line_count: int
    delivered_at: datetime


@dataclass(frozen=True)
class RedeliveryRow:
    """A file put again because BDN asked for it (times in UTC).

    Attributes:
        partition_date: of the file.
        kind: of its records.
        revision: from 2.
        object_key: where the same bytes are put.
        sha256: of the file, as in its receipt.
        requested_by: who asked for it.
        reason: why.
        requested_at: when.
        redelivered_at: when it lay there, None until it does.
    """

    partition_date: date
    kind: str
    revision: int
    object_key: str
    sha256: str
    requested_by: str
    reason: str
    requested_at: datetime
    redelivered_at: datetime | None


@dataclass(frozen=True)
class SentObject:
    """An object that BDN was sent, and the digest that it must have."""

    partition_date: date
    kind: str
    object_key: str
    sha256: str


@dataclass(frozen=True)
class Orphan:
    """An acknowledgement that answers to nothing (times in UTC).

    Attributes:
        partition_date: of the business day that found it.
        object_key: where it lies.
        sha256: of its bytes.
        snapshot_name: where they are kept.
        reason: why it answers to nothing.
        seen_at: when it was looked at last.
    """

    partition_date: date
    object_key: str
    sha256: str
    snapshot_name: str
    reason: str
    seen_at: datetime

    def in_words(self) -> str:
        """Returns what it is and what to do."""
        return (
            f"{self.object_key} is an orphaned acknowledgement: {self.reason}; "
            "ask BDN which file it answers"
        )


def open_ledger(settings: Settings) -> Ledger:
    """Opens the ledger and brings its tables to this version.

    Raises:
        PipelineError: it can't be reached or written.
    """
    database = Database("the ledger", "VYE_LEDGER_URL", settings.ledger_database_url, Cause.DEFECT)
    if database.url == f"sqlite:///{settings.folder / 'ledger.db'}":
        settings.folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(database)
    ledger.upgrade()
    return ledger


class Ledger:
    """What this pipeline remembers, by its verbs."""

    def __init__(self, database: Database) -> None:
        """Takes the place of the ledger; nothing is connected yet."""
        self._database = database

    @cached_property
    def engine(self) -> Engine:
        """The ledger's engine."""
        return self._database.engine()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end or not at all; errors come out classified."""
        with self._database.errors(), self.engine.begin() as connection:
            yield connection

    @retried
    def read(self, question: Callable[[Connection], Answer]) -> Answer:
        """Answers a question that needs a connection: one of reports.py."""
        with self.transaction() as connection:
            return question(connection)

    @contextmanager
    def exclusive(self, kind: Kind) -> Iterator[None]:
        """Keeps other processes from claiming or delivering records of a kind meanwhile."""
        with ExitStack() as held:
            self._hold(held, kind.name)
            yield

    @retried
    def _hold(self, held: ExitStack, name: str) -> None:
        with self._database.errors():
            held.enter_context(exclusive(self.engine, name))

    @retried
    def upgrade(self) -> None:
        """Brings the tables to this version's revision."""
        with self._database.errors():
            if not schema.is_current(self.engine):
                schema.upgrade(self.engine)

    # -- claims ---------------------------------------------------------------------------------

    @retried
    def file(self, partition_date: date, kind: Kind) -> FileRow | None:
        """Returns the file of a partition, None where the partition was never read."""
        with self.transaction() as connection:
            row = connection.execute(
                _file_query().where(*_of(File, partition_date, kind))
            ).one_or_none()
        return FileRow(**row._mapping) if row else None

    @retried
    def receipt(self, partition_date: date, kind: Kind) -> Receipt | None:
        """Returns the receipt of a delivered partition, None where it isn't delivered."""
        with self.transaction() as connection:
            return _receipt(connection, partition_date, kind)

    @retried
    def clones(self, partition_date: date, kind: Kind) -> list[int]:
        """Returns the ids of the BDN clones that a partition has read."""
        with self.transaction() as connection:
            return list(
                connection.scalars(
                    select(PartitionClone.bdn_clone_id).where(
                        *_of(PartitionClone, partition_date, kind)
                    )
                )
            )

    @retried
    def claims_in_clones(self, kind: Kind, clone_ids: Sequence[int]) -> pd.DataFrame:
        """Returns record_id and partition_date (ISO text) of all claims in some BDN clones."""
        query = select(Claim.record_id, Claim.partition_date).where(
            Claim.kind == kind.name, Claim.bdn_clone_id.in_(clone_ids)
        )
        with self.transaction() as connection:
            return read_frame(connection, query)

    @retried
    def claim(
        self,
        file: FileRow,
        kind: Kind,
        *,
        clone_ids: Sequence[int],
        claims: pd.DataFrame,
        findings: pd.DataFrame,
        claimed_at: datetime,
    ) -> None:
        """Replaces an undelivered partition's claims in one transaction.

        Args:
            file: the partition's file, not rendered yet.
            kind: of the records.
            clone_ids: the BDN clones that were read.
            claims: record_id, user_info_id, user_profile_id, bdn_clone_id, created_at (UTC),
                transact_date, disposition, line_number, is_vanished: a row a record.
            findings: record_id, field, code, is_quarantining.
            claimed_at: the moment of the claim.

        Raises:
            PipelineError: another partition has claimed one of the records, or this one is
                delivered; nothing is changed.
        """
        owner: dict[str, Any] = {"partition_date": file.partition_date, "kind": kind.name}
        with self.transaction() as connection:
            for table in (Claim, PartitionClone):
                connection.execute(delete(table).where(*_of(table, file.partition_date, kind)))
            values = {**vars(file), "claimed_at": claimed_at}
            if not connection.execute(
                update(File).where(*_of(File, file.partition_date, kind)).values(values)
            ).rowcount:
                connection.execute(insert(File).values({**values, "first_claimed_at": claimed_at}))
            if clone_ids:
                connection.execute(
                    insert(PartitionClone),
                    [owner | {"bdn_clone_id": clone} for clone in clone_ids],
                )
            append_frame(connection, _table(Claim), _owned(claims, owner))
            append_frame(connection, _table(Finding), findings.assign(kind=kind.name))
            if _supersede(connection, kind, [file.partition_date]):
                _number_lines(connection, kind, file.partition_date)

    @retried
    def findings(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns record_id, field, code, is_quarantining of a partition's records."""
        query = (
            select(Finding.record_id, Finding.field, Finding.code, Finding.is_quarantining)
            .join(
                Claim,
                and_(Claim.kind == Finding.kind, Claim.record_id == Finding.record_id),
            )
            .where(*_of(Claim, partition_date, kind))
            .order_by(Finding.record_id, Finding.field, Finding.code)
        )
        with self.transaction() as connection:
            return read_frame(connection, query)

    @retried
    def claims(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns record_id, user_profile_id, disposition, line_number, is_vanished."""
        query = (
            select(
                Claim.record_id,
                Claim.user_profile_id,
                Claim.disposition,
                Claim.line_number,
                Claim.is_vanished,
            )
            .where(*_of(Claim, partition_date, kind))
            .order_by(Claim.user_info_id, Claim.record_id)
        )
        with self.transaction() as connection:
            return read_frame(connection, query)

    # -- delivery -------------------------------------------------------------------------------

    @retried
    def render(
        self,
        partition_date: date,
        kind: Kind,
        sha256: str,
        byte_count: int,
        line_count: int,
    ) -> None:
        """Records what the file's bytes are, before anything is put; a delivered one stays."""
        values = {"sha256": sha256, "byte_count": byte_count, "line_count": line_count}
        announced = update(File).where(*_of(File, partition_date, kind), ~_is_delivered(File))
        with self.transaction() as connection:
            connection.execute(announced.values(values))

    @retried
    def line_count(self, partition_date: date, kind: Kind) -> int:
        """Counts the records of a partition that are to be sent as things stand."""
        query = select(func.count()).where(
            *_of(Claim, partition_date, kind), Claim.disposition == LINE
        )
        with self.transaction() as connection:
            return connection.scalar(query) or 0

    @retried
    def rendered_files(self, kind: Kind) -> list[FileRow]:
        """Returns the files that are rendered and not delivered, oldest first.

        Of each of them the object may lie in the store all the same: a process may have died
        between the put and the receipt.
        """
        query = (
            _file_query()
            .where(File.kind == kind.name, File.sha256.is_not(None), ~_is_delivered(File))
            .order_by(File.partition_date)
        )
        with self.transaction() as connection:
            return [FileRow(**row._mapping) for row in connection.execute(query)]

    @retried
    def deliver(self, file: FileRow, kind: Kind, delivered_at: datetime) -> Receipt:
        """Records a delivery and marks what it overtakes in older, undelivered partitions.

        Returns:
            The receipt; of a partition that has one already, that one.
        """
        receipt = Receipt(
            partition_date=file.partition_date,
            kind=file.kind,
            object_key=file.object_key,
            sha256=file.sha256 or "",
            byte_count=file.byte_count or 0,
            line_count=file.line_count or 0,
            delivered_at=delivered_at,
        )
        with self.transaction() as connection:
            known = _receipt(connection, file.partition_date, kind)
            if known is not None:
                return known
            connection.execute(insert(Delivery).values(vars(receipt)))
            older = connection.scalars(
                select(File.partition_date).where(
                    File.kind == kind.name,
                    File.partition_date < file.partition_date,
                    ~_is_delivered(File),
                )
            ).all()
            _supersede(connection, kind, older)
        return receipt

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
        waiting = select(func.count(), func.count(Claim.user_profile_id.distinct())).where(
            *_of(Claim, partition_date, kind),
            Claim.disposition == LINE,
            ~_is_delivered(Claim),
        )
        with self.transaction() as connection:
            records, profiles = connection.execute(waiting).one()
            _insert_once(
                connection,
                Failure,
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

        A request that has not been carried out yet is taken up again in place of a new one.
        """
        query = select(*_table(Redelivery).c).where(*_of(Redelivery, receipt.partition_date, kind))
        with self.transaction() as connection:
            known = [
                RedeliveryRow(**row._mapping)
                for row in connection.execute(query.order_by(Redelivery.revision))
            ]
            if known and known[-1].redelivered_at is None:
                return known[-1]
            revision = len(known) + FIRST_REVISION_AGAIN
            requested = RedeliveryRow(
                partition_date=receipt.partition_date,
                kind=receipt.kind,
                revision=revision,
                object_key=outbound_key(kind, receipt.partition_date, revision),
                sha256=receipt.sha256,
                requested_by=requested_by,
                reason=reason,
                requested_at=requested_at,
                redelivered_at=None,
            )
            connection.execute(insert(Redelivery).values(vars(requested)))
        return requested

    @retried
    def redeliver(self, requested: RedeliveryRow, redelivered_at: datetime) -> None:
        """Records that a redelivery lies in the object store."""
        done = update(Redelivery).where(
            Redelivery.object_key == requested.object_key, Redelivery.redelivered_at.is_(None)
        )
        with self.transaction() as connection:
            connection.execute(done.values(redelivered_at=redelivered_at))

    @retried
    def revision(self, partition_date: date, kind: Kind) -> int:
        """Returns the newest revision of a partition's file that BDN can have seen."""
        query = select(func.max(Redelivery.revision)).where(*_of(Redelivery, partition_date, kind))
        with self.transaction() as connection:
            return connection.scalar(query) or 1

    @retried
    def sent_objects(self, first: date, last: date) -> list[SentObject]:
        """Returns what must lie in the object store for some days, redeliveries too, by day."""
        columns = ("partition_date", "kind", "object_key", "sha256")
        delivered, again = (
            select(*(getattr(model, name) for name in columns)).where(
                model.partition_date.between(first, last)
            )
            for model in (Delivery, Redelivery)
        )
        query = delivered.union_all(again.where(Redelivery.redelivered_at.is_not(None)))
        with self.transaction() as connection:
            rows = [SentObject(**row._mapping) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: (row.partition_date, row.object_key))

    # -- BDN's clones ---------------------------------------------------------------------------

    @retried
    def clone_states(self) -> pd.DataFrame:
        """Returns for each BDN clone that was read how far its partitions are.

        Columns: bdn_clone_id, kind_count (kinds that have read it), open_count (files of it not
        delivered), failure_count (failed steps of the open ones).
        """
        failed = (
            select(func.count())
            .where(
                Failure.partition_date == PartitionClone.partition_date,
                Failure.kind == PartitionClone.kind,
            )
            .scalar_subquery()
        )
        is_open = ~_is_delivered(PartitionClone)
        query = select(
            PartitionClone.bdn_clone_id,
            func.count(PartitionClone.kind.distinct()).label("kind_count"),
            func.count().filter(is_open).label("open_count"),
            func.count().filter(is_open, failed > 0).label("failure_count"),
        ).group_by(PartitionClone.bdn_clone_id)
        with self.transaction() as connection:
            return read_frame(connection, query)

    # -- acknowledgements and reconciliation ----------------------------------------------------

    @retried
    def record_acknowledgement(self, *, read_at: datetime, **row: object) -> None:
        """Keeps what an acknowledgement says of itself; of a known one, when it was read last."""
        table = _table(Acknowledgement)
        key = {column.name: row[column.name] for column in table.primary_key}
        again = update(table).filter_by(**key).values(read_at=read_at)
        with self.transaction() as connection:
            if not connection.execute(again).rowcount:
                connection.execute(
                    insert(table).values(**row, recorded_at=read_at, read_at=read_at)
                )

    @retried
    def record_orphans(self, partition_date: date, orphans: Sequence[Orphan]) -> None:
        """Replaces the orphaned acknowledgements that a business day has found."""
        table = _table(OrphanedAcknowledgement)
        with self.transaction() as connection:
            connection.execute(delete(table).where(table.c.partition_date == partition_date))
            if orphans:
                connection.execute(insert(table), [vars(orphan) for orphan in orphans])

    @retried
    def orphans(self, first: date, last: date) -> list[Orphan]:
        """Returns the orphaned acknowledgements of some days, by key."""
        table = _table(OrphanedAcknowledgement)
        columns = [table.c[name] for name in Orphan.__dataclass_fields__]
        query = select(*columns).where(table.c.partition_date.between(first, last))
        query = query.order_by(table.c.object_key)
        with self.transaction() as connection:
            return [Orphan(**row._mapping) for row in connection.execute(query)]

    @retried
    def acknowledgements(self, partition_date: date, kind: Kind) -> pd.DataFrame:
        """Returns object_key, revision, snapshot_name of what was read last at each place."""
        newest = aliased(Acknowledgement)
        is_overtaken = exists().where(
            *_of(newest, partition_date, kind),
            newest.object_key == Acknowledgement.object_key,
            newest.read_at > Acknowledgement.read_at,
        )
        query = (
            select(
                Acknowledgement.object_key,
                Acknowledgement.revision,
                Acknowledgement.snapshot_name,
            )
            .where(*_of(Acknowledgement, partition_date, kind), ~is_overtaken)
            .order_by(Acknowledgement.revision, Acknowledgement.sequence)
        )
        with self.transaction() as connection:
            return read_frame(connection, query)

    @retried
    def record_feed(self, **row: object) -> None:
        """Keeps what a feed is; of a known one nothing."""
        key = (Feed.feed_date == row["feed_date"], Feed.sha256 == row["sha256"])
        with self.transaction() as connection:
            if not connection.scalar(select(exists().where(*key))):
                connection.execute(insert(Feed).values(**row))

    @retried
    def unanswered(self, before: date, statuses: Sequence[str]) -> pd.DataFrame:
        """Returns partition_date (ISO text), kind, record_id, line_number of older open lines.

        Args:
            before: only of older partitions.
            statuses: those that count as open.
        """
        query = select(
            Reconciliation.partition_date,
            Reconciliation.kind,
            Reconciliation.record_id,
            Reconciliation.line_number,
        ).where(
            Reconciliation.partition_date < before,
            Reconciliation.replaced_at.is_(None),
            Reconciliation.status.in_(statuses),
        )
        with self.transaction() as connection:
            return read_frame(connection, query)

    @retried
    def record_evidence(
        self, evidence: pd.DataFrame, feed_date: date, recorded_at: datetime
    ) -> None:
        """Keeps what a feed says of records; the newest feed that speaks of one counts.

        Args:
            evidence: kind, record_id, evidence, fields: a row a record.
            feed_date: of the feed.
            recorded_at: now.
        """
        table = _table(Evidence)
        owner: dict[str, Any] = {"feed_date": feed_date, "recorded_at": recorded_at}
        with self.transaction() as connection:
            connection.execute(delete(table).where(table.c.feed_date == feed_date))
            append_frame(connection, table, _owned(evidence, owner))

    @retried
    def reconcile(
        self, partition_date: date, kind: Kind, rows: pd.DataFrame, reconciled_at: datetime
    ) -> None:
        """Replaces what is known of a partition's records, and keeps what was known before.

        Args:
            partition_date: of the records.
            kind: of the records.
            rows: record_id, user_profile_id, line_number, status, reason_code, fields,
                acknowledgement_key: one row a record, and one an unexpected line.
            reconciled_at: the moment of the change, for the rows that have changed.

        Raises:
            PipelineError: defect: a status can't follow the one before it.
        """
        with self.transaction() as connection:
            history.replace(connection, partition_date, kind, rows, reconciled_at)

    @retried
    def resolve(
        self,
        partition_date: date,
        kinds: Sequence[str],
        user_profile_id: int,
        *,
        resolved_by: str,
        note: str,
        resolved_at: datetime,
    ) -> None:
        """Closes what is open of a user profile's records of some kinds, as it is known now."""
        closed: dict[str, Any] = {
            "partition_date": partition_date,
            "user_profile_id": user_profile_id,
            "resolved_by": resolved_by,
            "note": note,
            "resolved_at": resolved_at,
        }
        with self.transaction() as connection:
            for kind in kinds:
                _insert_once(connection, Resolution, **closed, kind=kind)

    @retried
    def record_contact_lookup(self, **row: object) -> None:
        """Records who looks up a veteran's contact details: user_profile_id, who, when and why."""
        with self.transaction() as connection:
            _insert_once(connection, ContactLookup, **row)


def _table(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


def _of(model: Any, partition_date: date, kind: Kind) -> tuple[ColumnElement[bool], ...]:
    return (model.partition_date == partition_date, model.kind == kind.name)


def _insert_once(connection: Connection, model: type[Base], **values: Any) -> None:
    """Adds a row that isn't there: a repeat after a lost answer must not add it again."""
    table = _table(model)
    same = [table.c[name].is_not_distinct_from(value) for name, value in values.items()]
    if not connection.scalar(select(exists().where(*same))):
        connection.execute(insert(table).values(values))


def _receipt(connection: Connection, partition_date: date, kind: Kind) -> Receipt | None:
    query = select(*_table(Delivery).c).where(*_of(Delivery, partition_date, kind))
    row = connection.execute(query).one_or_none()
    return Receipt(**row._mapping) if row else None


def _owned(frame: pd.DataFrame, owner: dict[str, Any]) -> pd.DataFrame:
    return frame.assign(**owner)


def _file_query() -> Query:
    return select(*(File.__table__.c[name] for name in FileRow.__dataclass_fields__))


def _is_delivered(model: Any) -> ColumnElement[bool]:
    return exists().where(
        Delivery.partition_date == model.partition_date, Delivery.kind == model.kind
    )


def _supersede(connection: Connection, kind: Kind, partition_dates: Sequence[date]) -> int:
    """Marks the lines of undelivered partitions that a delivered, later one has overtaken.

    A newer change of the same kind by the same user profile must not be overwritten by an older
    one (bdn-interface.md, part 3, `superseded`). Returns how many lines were marked.
    """
    newer = aliased(Claim)
    conditions = [
        newer.kind == kind.name,
        newer.user_profile_id == Claim.user_profile_id,
        newer.disposition == LINE,
        newer.partition_date > Claim.partition_date,
        or_(
            newer.created_at > Claim.created_at,
            and_(newer.created_at == Claim.created_at, newer.record_id > Claim.record_id),
        ),
        _is_delivered(newer),
    ]
    if kind.is_dated:
        conditions.append(newer.transact_date >= Claim.transact_date)
    statement = (
        update(Claim)
        .where(
            Claim.kind == kind.name,
            Claim.partition_date.in_(partition_dates),
            Claim.disposition == LINE,
            exists().where(*conditions),
        )
        .values(disposition=SUPERSEDED, line_number=None)
        .execution_options(synchronize_session=False)
    )
    return connection.execute(statement).rowcount if partition_dates else 0


def _number_lines(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Numbers the lines that are left from 1, in the order of the file."""
    numbered = (
        select(
            Claim.record_id,
            func.row_number().over(order_by=(Claim.user_info_id, Claim.record_id)).label("number"),
        )
        .where(*_of(Claim, partition_date, kind), Claim.disposition == LINE)
        .subquery()
    )
    connection.execute(
        update(Claim)
        .where(Claim.kind == kind.name, Claim.record_id == numbered.c.record_id)
        .values(line_number=numbered.c.number)
        .execution_options(synchronize_session=False)
    )
