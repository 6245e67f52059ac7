"""What is new and what is open: what sensors, schedules and alarms ask of the ledger.

What is asked each minute looks at what is open only: its cost doesn't grow with the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, select, union

from vye_pipeline.bdn.file_names import FEED_NAME, inbound_prefix
from vye_pipeline.ledger.connection import is_delivered
from vye_pipeline.ledger.membership import is_closed
from vye_pipeline.ledger.models import (
    ACKNOWLEDGEMENTS,
    BEGUN,
    CLAIMS,
    DELIVERIES,
    FAILURES,
    FEEDS,
    FILES,
    HAND_OVERS,
    IS_FIRST_LINE,
    IS_OPEN,
    LINE,
    ORPHANED_ACKNOWLEDGEMENTS,
    RECONCILIATIONS,
)
from vye_pipeline.ledger.record_status import (
    is_resolved,
    needs_a_person,
    newest_evidence,
    same_partition,
)
from vye_pipeline.ledger.rows import HandOver, Orphan
from vye_pipeline.records import Kind
from vye_pipeline.records.statuses import Status

A_DAY = 24  # hours


@dataclass(frozen=True)
class FailedFile:
    """The last failure of a file that has not been delivered since."""

    failure_id: int
    partition_date: date
    kind: str
    cause: str
    what: str
    next_step: str
    run_id: str | None


@dataclass(frozen=True)
class AwaitedFile:
    """A delivered file with lines that BDN has not answered (delivered_at in UTC)."""

    partition_date: date
    kind: str
    delivered_at: datetime
    lines: int


@dataclass(frozen=True)
class OpenItems:
    """Records of one status that need a person, known since the same moment (UTC)."""

    partition_date: date
    kind: str
    status: str
    since: datetime
    records: int


def failed_files(connection: Connection, after: int = 0) -> list[FailedFile]:
    """Returns the files whose last failure still holds, oldest day first; closed days have none.

    Args:
        connection: to the ledger.
        after: only failures with a greater id.
    """
    last = (
        select(func.max(FAILURES.c.id))
        .where(FAILURES.c.id > after, ~is_delivered(FAILURES), ~is_closed(FAILURES))
        .group_by(FAILURES.c.partition_date, FAILURES.c.kind)
    )
    query = (
        select(
            FAILURES.c.id.label("failure_id"),
            FAILURES.c.partition_date,
            FAILURES.c.kind,
            FAILURES.c.cause,
            FAILURES.c.what,
            FAILURES.c.next_step,
            FAILURES.c.run_id,
        )
        .where(FAILURES.c.id.in_(last))
        .order_by(FAILURES.c.partition_date, FAILURES.c.id)
    )
    return [FailedFile(**row._mapping) for row in connection.execute(query)]


def undelivered_counts(
    connection: Connection, partition_date: date, kind: Kind | None = None
) -> tuple[int, int]:
    """Counts the records of a day that were to be sent and were not, and their user profiles."""
    query = select(func.count(), func.count(CLAIMS.c.user_profile_id.distinct())).where(
        CLAIMS.c.partition_date == partition_date,
        CLAIMS.c.disposition == LINE,
        ~is_delivered(CLAIMS),
    )
    if kind is not None:
        query = query.where(CLAIMS.c.kind == kind.name)
    records, profiles = connection.execute(query).one()
    return records, profiles


def delivered_kinds(connection: Connection, partition_date: date) -> set[str]:
    """Returns the kinds of a day that are delivered."""
    query = select(DELIVERIES.c.kind).where(DELIVERIES.c.partition_date == partition_date)
    return set(connection.scalars(query))


def last_delivered(connection: Connection) -> dict[str, date]:
    """Returns the newest day of each kind that is delivered."""
    query = select(DELIVERIES.c.kind, func.max(DELIVERIES.c.partition_date)).group_by(
        DELIVERIES.c.kind
    )
    delivered: dict[str, date] = dict(iter(connection.execute(query)))
    return delivered


def open_items(connection: Connection) -> list[OpenItems]:
    """Returns what needs a person and has not been resolved, oldest day first."""
    said = newest_evidence()
    held = select(RECONCILIATIONS).where(IS_OPEN).subquery().c
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
        .where(needs_a_person(each), ~is_resolved(each))
        .group_by(*content)
        .order_by(*content)
    )
    return [OpenItems(**row._mapping) for row in connection.execute(query)]


def awaited_files(connection: Connection) -> list[AwaitedFile]:
    """Returns the delivered files with pending lines, oldest day first.

    Of one that was never reconciled these are all.
    """
    each = select(RECONCILIATIONS).where(IS_OPEN).subquery().c
    pending = (
        select(each.partition_date, each.kind, func.count().label("lines"))
        .where(each.status == str(Status.PENDING))
        .group_by(each.partition_date, each.kind)
        .subquery()
    )
    is_reconciled = exists().where(same_partition(RECONCILIATIONS, DELIVERIES), IS_FIRST_LINE)
    lines = case((is_reconciled, pending.c.lines), else_=DELIVERIES.c.line_count)
    query = (
        select(
            DELIVERIES.c.partition_date,
            DELIVERIES.c.kind,
            DELIVERIES.c.delivered_at,
            lines.label("lines"),
        )
        .outerjoin(
            pending,
            and_(
                pending.c.partition_date == DELIVERIES.c.partition_date,
                pending.c.kind == DELIVERIES.c.kind,
            ),
        )
        .where(lines > 0)
        .order_by(DELIVERIES.c.partition_date, DELIVERIES.c.kind)
    )
    return [AwaitedFile(**row._mapping) for row in connection.execute(query)]


def orphaned(connection: Connection) -> list[Orphan]:
    """Returns what lies under inbound/ and answers to nothing, by day and key."""
    table = ORPHANED_ACKNOWLEDGEMENTS
    columns = [table.c[name] for name in Orphan.__dataclass_fields__]
    query = select(*columns).order_by(table.c.partition_date, table.c.object_key)
    return [Orphan(**row._mapping) for row in connection.execute(query)]


def open_hand_overs(connection: Connection) -> list[HandOver]:
    """Returns what is begun, and neither confirmed nor withdrawn nor delivered, oldest first."""
    query = (
        select(
            HAND_OVERS.c.partition_date,
            HAND_OVERS.c.kind,
            HAND_OVERS.c.fingerprint,
            HAND_OVERS.c.try_id,
            HAND_OVERS.c.done_by.label("begun_by"),
            HAND_OVERS.c.done_at.label("begun_at"),
        )
        .where(HAND_OVERS.c.step == BEGUN, ~_is_hand_over_decided(), ~is_delivered(HAND_OVERS))
        .order_by(HAND_OVERS.c.id)
    )
    return [HandOver(**row._mapping) for row in connection.execute(query)]


def _is_hand_over_decided() -> ColumnElement[bool]:
    later = HAND_OVERS.alias()
    return exists().where(later.c.try_id == HAND_OVERS.c.try_id, later.c.step != BEGUN)


def hours_behind(connection: Connection, partition_date: date) -> int | None:
    """Returns by how many whole hours all of BDN's answers of a day are early, None if they aren't.

    Then BDN's clock or zone is wrong; it is no clock where they are early by more than a day.
    """
    rows = ACKNOWLEDGEMENTS.c
    query = select(rows.hours_early).where(rows.partition_date == partition_date).distinct()
    hours = list(connection.scalars(query))
    return hours[0] if len(hours) == 1 and 0 < (hours[0] or 0) <= A_DAY else None


def unsettled_days(connection: Connection, since: date = date.min) -> list[date]:
    """Returns the days with a file that is undelivered, pending or was never reconciled.

    Args:
        connection: to the ledger.
        since: the first day that is looked at.
    """
    each = select(RECONCILIATIONS).where(IS_OPEN).subquery().c
    pending = select(each.partition_date).where(
        each.partition_date >= since, each.status == str(Status.PENDING)
    )
    never_reconciled = select(FILES.c.partition_date).where(
        FILES.c.partition_date >= since,
        FILES.c.line_count > 0,
        ~exists().where(same_partition(RECONCILIATIONS, FILES), IS_FIRST_LINE),
    )
    undelivered = select(FILES.c.partition_date).where(
        FILES.c.partition_date >= since, ~is_delivered(FILES)
    )
    return sorted(connection.scalars(union(pending, never_reconciled, undelivered)))


def known_inbound_keys(connection: Connection) -> set[str]:
    """Returns the keys of what has been read of BDN's answers and feeds."""
    answers = select(ACKNOWLEDGEMENTS.c.object_key).union(
        select(ORPHANED_ACKNOWLEDGEMENTS.c.object_key)
    )
    feeds = (
        inbound_prefix(day) + FEED_NAME for day in connection.scalars(select(FEEDS.c.feed_date))
    )
    return {*connection.scalars(answers), *feeds}


def failed_kinds(connection: Connection, run_id: str) -> set[str]:
    """Returns the kinds of which a run has recorded why it failed."""
    return set(connection.scalars(select(FAILURES.c.kind).where(FAILURES.c.run_id == run_id)))
