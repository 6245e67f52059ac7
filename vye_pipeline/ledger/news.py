"""What is new and what is open: what sensors, schedules and alarms ask of the ledger.

What is asked each minute looks at what is open only: its cost doesn't grow with the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, exists, func, select, union

from vye_pipeline.bdn.file_names import FEED_NAME, inbound_prefix
from vye_pipeline.ledger.connection import is_delivered
from vye_pipeline.ledger.models import (
    IS_OPEN,
    LINE,
    Acknowledgement,
    Claim,
    Delivery,
    Failure,
    Feed,
    File,
    OrphanedAcknowledgement,
    Reconciliation,
)
from vye_pipeline.ledger.standing import needs_a_person_now, newest_evidence, same_partition
from vye_pipeline.reconciliation.statuses import Status
from vye_pipeline.records import Kind


@dataclass(frozen=True)
class FailedFile:
    """The last failure of a file that has not been delivered since."""

    partition_date: date
    kind: str
    cause: str
    what: str
    next_step: str
    run_id: str | None


@dataclass(frozen=True)
class OpenItems:
    """Records of one status that need a person, known since the same moment (UTC)."""

    partition_date: date
    kind: str
    status: str
    since: datetime
    records: int


def failed_files(connection: Connection) -> list[FailedFile]:
    """Returns the files whose last failure still holds, oldest day first."""
    last = (
        select(func.max(Failure.id))
        .where(~is_delivered(Failure))
        .group_by(Failure.partition_date, Failure.kind)
    )
    query = (
        select(
            Failure.partition_date,
            Failure.kind,
            Failure.cause,
            Failure.what,
            Failure.next_step,
            Failure.run_id,
        )
        .where(Failure.id.in_(last))
        .order_by(Failure.partition_date, Failure.id)
    )
    return [FailedFile(**row._mapping) for row in connection.execute(query)]


def waiting(
    connection: Connection, partition_date: date, kind: Kind | None = None
) -> tuple[int, int]:
    """Counts the records of a day that were to be sent and were not, and their user profiles."""
    query = select(func.count(), func.count(Claim.user_profile_id.distinct())).where(
        Claim.partition_date == partition_date, Claim.disposition == LINE, ~is_delivered(Claim)
    )
    if kind is not None:
        query = query.where(Claim.kind == kind.name)
    records, profiles = connection.execute(query).one()
    return records, profiles


def delivered_kinds(connection: Connection, partition_date: date) -> set[str]:
    """Returns the kinds of a day that are delivered."""
    query = select(Delivery.kind).where(Delivery.partition_date == partition_date)
    return set(connection.scalars(query))


def last_delivered(connection: Connection) -> dict[str, date]:
    """Returns the newest day of each kind that is delivered."""
    query = select(Delivery.kind, func.max(Delivery.partition_date)).group_by(Delivery.kind)
    delivered: dict[str, date] = dict(iter(connection.execute(query)))
    return delivered


def open_items(connection: Connection) -> list[OpenItems]:
    """Returns what needs a person and has not been resolved, oldest day first."""
    said = newest_evidence()
    held = select(Reconciliation).where(IS_OPEN).subquery().c
    each = (
        select(
            held.partition_date,
            held.kind,
            held.status,
            held.user_profile_id,
            held.reconciled_at.label("since"),
            said.c.evidence,
        )
        .outerjoin(said, and_(said.c.kind == held.kind, said.c.record_id == held.record_id))
        .subquery()
    )
    content = (each.c.partition_date, each.c.kind, each.c.status, each.c.since)
    query = (
        select(*content, func.count().label("records"))
        .where(needs_a_person_now(each))
        .group_by(*content)
        .order_by(*content)
    )
    return [OpenItems(**row._mapping) for row in connection.execute(query)]


def unsettled_days(connection: Connection) -> list[date]:
    """Returns the days with a file that is undelivered, pending or was never reconciled."""
    each = select(Reconciliation).where(IS_OPEN).subquery().c
    pending = select(each.partition_date).where(each.status == str(Status.PENDING))
    never_reconciled = select(File.partition_date).where(
        File.line_count > 0, ~exists().where(same_partition(Reconciliation, File))
    )
    undelivered = select(File.partition_date).where(~is_delivered(File))
    return sorted(connection.scalars(union(pending, never_reconciled, undelivered)))


def known_inbound_keys(connection: Connection) -> set[str]:
    """Returns the keys of what has been read of BDN's answers and feeds."""
    answers = select(Acknowledgement.object_key).union(select(OrphanedAcknowledgement.object_key))
    feeds = (inbound_prefix(day) + FEED_NAME for day in connection.scalars(select(Feed.feed_date)))
    return {*connection.scalars(answers), *feeds}


def failure_is_known(connection: Connection, run_id: str) -> bool:
    """Says whether a run has recorded why it failed."""
    return bool(connection.scalar(select(exists().where(Failure.run_id == run_id))))
