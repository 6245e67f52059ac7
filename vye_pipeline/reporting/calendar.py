"""What people ask of the ledger: how each day stands, and who is affected.

Plain SQL over the ledger's tables; nothing here is computed from files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, func, select, union_all

from vye_pipeline.ledger.days import on_days
from vye_pipeline.ledger.explanation import explained
from vye_pipeline.ledger.membership import IS_READ
from vye_pipeline.ledger.models import (
    DELIVERIES,
    FAILURES,
    FILES,
    ORPHANED_ACKNOWLEDGEMENTS,
    OWNERS,
    REPLACED,
)
from vye_pipeline.ledger.record_status import (
    NOW,
    records,
    same_partition,
    unexpected,
)
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.records import KINDS
from vye_pipeline.records.statuses import (
    MANUAL,
    UNSENT,
    UNSETTLED,
    Status,
)

if TYPE_CHECKING:
    from vye_pipeline.business_days import BusinessCalendar
    from vye_pipeline.egress.unclaimed import Unclaimed

UNCLAIMED = "unclaimed"
DELIVERED, FAILED, MISSING, CLOSED = "delivered", "failed", "missing", "closed"


@dataclass(frozen=True)
class Day:
    """How one kind of one partition stands (command-line.md, `vye status --json`)."""

    partition_date: date
    kind: str
    delivery: str
    cause: str | None
    object_key: str | None
    fingerprint: str | None
    replaced: int
    lines: int
    counts: dict[str, int] = field(default_factory=dict)
    unclaimed: int = 0
    delivered_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def export_ready(self) -> int:
        """The day's records, without the replaced."""
        return sum(self.counts.values()) - self.counts[Status.UNEXPECTED]

    @property
    def is_settled(self) -> bool:
        """Whether no record is pending, undelivered or, as far as was looked, unclaimed."""
        is_over = self.delivery in {DELIVERED, CLOSED} and not self.unclaimed
        return is_over and not any(self.counts[name] for name in UNSETTLED)

    def as_json(self) -> dict[str, Any]:
        """Returns the object of `vye status --json`."""
        return {
            "partition_date": self.partition_date.isoformat(),
            "kind": self.kind,
            "delivery": self.delivery,
            "cause": self.cause,
            "object_key": self.object_key,
            "fingerprint": self.fingerprint,
            "export_ready": self.export_ready,
            "replaced": self.replaced,
            "lines": self.lines,
            **self.counts,
            "unclaimed": self.unclaimed,
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "settled": self.is_settled,
        }


@dataclass(frozen=True)
class Affected:
    """One record that did not reach BDN or needs a person (`vye affected --json`)."""

    user_profile_id: int | None
    kind: str
    partition_date: date
    record_id: int | None
    line_number: int | None
    status: str
    reason_code: str | None
    reason: str
    next_step: str
    needs_manual_reconciliation: bool
    resolved_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether a person has to see to it still."""
        return self.needs_manual_reconciliation and self.resolved_at is None

    def as_json(self) -> dict[str, Any]:
        """Returns the object of `vye affected --json`."""
        resolved = self.resolved_at.isoformat() if self.resolved_at else None
        return vars(self) | {
            "partition_date": self.partition_date.isoformat(),
            "resolved_at": resolved,
        }


def with_unclaimed(days: Sequence[Day], records: Sequence[Unclaimed]) -> list[Day]:
    """Adds how many records of the clones that a day owns are unclaimed."""
    counts = Counter((record.partition_date, record.kind) for record in records)
    return [replace(day, unclaimed=counts[day.partition_date, day.kind]) for day in days]


def with_deadlines(days: Sequence[Day], business_calendar: BusinessCalendar) -> list[Day]:
    """Adds until when BDN may answer the lines that are pending."""
    return [
        replace(day, due_at=business_calendar.deadline(day.partition_date, day.delivered_at))
        if day.counts[Status.PENDING]
        else day
        for day in days
    ]


def as_affected(record: Unclaimed) -> Affected:
    """Returns an unclaimed record as one that did not reach BDN."""
    return Affected(
        user_profile_id=record.user_profile_id,
        kind=record.kind,
        partition_date=record.partition_date,
        record_id=record.record_id,
        line_number=None,
        status=UNCLAIMED,
        reason_code=None,
        reason="it became visible after its clone was read, and no day has claimed it yet",
        next_step="wait: the next day that runs claims it",
        needs_manual_reconciliation=False,
        resolved_at=None,
    )


def calendar(connection: Connection, days: Sequence[date], known_at: datetime = NOW) -> list[Day]:
    """Returns a row for each of the days and each kind, in that order, with what was known."""
    if not days:
        return []
    counts = _counts(connection, days, known_at)
    causes = _last_causes(connection, days, known_at)
    files = _files(connection, days, known_at)
    closed = _Closed(connection, days, known_at)
    return [_day(day, kind.name, closed, counts, causes, files) for day in days for kind in KINDS]


def _day(
    day: date,
    kind: str,
    closed: _Closed,
    counts: dict[tuple[date, str, str], int],
    causes: dict[tuple[date, str], str],
    files: dict[tuple[date, str], tuple[str, str | None, datetime | None]],
) -> Day:
    key = (day, kind)
    object_key, fingerprint, delivered_at = files.get(key, (None, None, None))
    by_status = {str(status): counts.get((day, kind, str(status)), 0) for status in Status}
    unsent = (*UNSENT, Status.UNEXPECTED)
    delivery = DELIVERED if fingerprint else FAILED if key in files or key in causes else MISSING
    if key not in files and closed.holds(day, kind):
        delivery = CLOSED
    return Day(
        partition_date=day,
        kind=kind,
        delivery=delivery,
        cause=causes.get(key) if delivery == FAILED else None,
        object_key=object_key,
        fingerprint=fingerprint,
        replaced=counts.get((day, kind, REPLACED), 0),
        lines=sum(by_status.values()) - sum(by_status[status] for status in unsent),
        counts=by_status,
        delivered_at=delivered_at,
    )


class _Closed:
    """Which of some days need no run without a file: a later one is delivered (`is_closed`)."""

    def __init__(self, connection: Connection, days: Sequence[date], known_at: datetime) -> None:
        newest = (
            select(DELIVERIES.c.kind, func.max(DELIVERIES.c.partition_date))
            .where(
                DELIVERIES.c.partition_date > min(days),
                DELIVERIES.c.delivered_at <= known_at,
            )
            .group_by(DELIVERIES.c.kind)
        )
        self._newest: dict[str, date] = dict(iter(connection.execute(newest)))
        unread = select(OWNERS.c.partition_date, OWNERS.c.kind).where(
            on_days(OWNERS.c.partition_date, days), ~IS_READ
        )
        self._unread = {(day, kind) for day, kind in connection.execute(unread)}

    def holds(self, day: date, kind: str) -> bool:
        """Says whether a day is closed, if it has no file."""
        return day < self._newest.get(kind, date.min) and (day, kind) not in self._unread


def _counts(
    connection: Connection, days: Sequence[date], known_at: datetime
) -> dict[tuple[date, str, str], int]:
    """Counts records by day, kind and status, the replaced and the unexpected ones too."""
    counts: dict[tuple[date, str, str], int] = {}
    for standing in (records(known_at, days), unexpected(known_at, days)):
        each = standing.subquery().c
        content = (each.partition_date, each.kind, each.status)
        query = select(*content, func.count()).group_by(*content)
        counts |= {(day, kind, status): n for day, kind, status, n in connection.execute(query)}
    return counts


def _last_causes(
    connection: Connection, days: Sequence[date], known_at: datetime
) -> dict[tuple[date, str], str]:
    query = (
        select(FAILURES.c.partition_date, FAILURES.c.kind, FAILURES.c.cause)
        .where(on_days(FAILURES.c.partition_date, days), FAILURES.c.failed_at <= known_at)
        .order_by(FAILURES.c.id)
    )
    return {(day, kind): cause for day, kind, cause in connection.execute(query)}


def _files(
    connection: Connection, days: Sequence[date], known_at: datetime
) -> dict[tuple[date, str], tuple[str, str | None, datetime | None]]:
    """Returns object key, and fingerprint and time of the delivery, null if undelivered."""
    delivered = and_(same_partition(DELIVERIES, FILES), DELIVERIES.c.delivered_at <= known_at)
    sent = (DELIVERIES.c.fingerprint, DELIVERIES.c.delivered_at)
    query = (
        select(FILES.c.partition_date, FILES.c.kind, FILES.c.object_key, *sent)
        .outerjoin(DELIVERIES, delivered)
        .where(on_days(FILES.c.partition_date, days), FILES.c.first_claimed_at <= known_at)
    )
    return {(day, kind): (key, *sent) for day, kind, key, *sent in connection.execute(query)}


def orphans(connection: Connection, days: Sequence[date]) -> list[Orphan]:
    """Returns the orphaned acknowledgements of some days, by key."""
    table = ORPHANED_ACKNOWLEDGEMENTS
    columns = [table.c[name] for name in Orphan.__dataclass_fields__]
    query = select(*columns).where(on_days(table.c.partition_date, days))
    query = query.order_by(table.c.object_key)
    return [Orphan(**row._mapping) for row in connection.execute(query)]


def affected(
    connection: Connection, days: Sequence[date], kind: str | None = None
) -> list[Affected]:
    """Returns the records of some days that did not reach BDN or need a person, oldest first."""
    if not days:
        return []
    concerned = [str(status) for status in (*MANUAL, Status.UNDELIVERED)]
    each = union_all(records(days=days), unexpected(days=days)).subquery()
    query = select(each).where(each.c.partition_date.in_(days), each.c.status.in_(concerned))
    if kind is not None:
        query = query.where(each.c.kind == kind)
    item = explained(query.subquery()).c
    columns = [item[name] for name in Affected.__dataclass_fields__]
    rows = connection.execute(
        select(*columns).order_by(
            item.partition_date,
            item.kind,
            func.coalesce(item.line_number, 0),
            func.coalesce(item.record_id, 0),
        )
    )
    return [Affected(**row._mapping) for row in rows]
