"""How each record stands, as queries that reports and the analysts' views build upon.

A record's status is the one that was reconciled, unless its partition's delivery has changed since:
then the one that follows from that. What was known at an earlier moment is asked for by `known_at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    case,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.sql.expression import Subquery

from vye_pipeline.ledger.days import on_days
from vye_pipeline.ledger.models import (
    CLAIMS,
    DELIVERIES,
    EVIDENCE,
    FILES,
    HOLDS,
    LINE,
    RECONCILIATIONS,
    RESOLUTIONS,
)
from vye_pipeline.records.statuses import CONFIRMED, MANUAL, UNSENT, Status
from vye_pipeline.sql.engines import Query

Hold = TypeVar("Hold")
NOW = datetime.max.replace(tzinfo=UTC)


def records(known_at: datetime = NOW, days: Sequence[date] | None = None) -> Query:
    """Returns a row per claimed record, the replaced ones too.

    Args:
        known_at: what was known then.
        days: asks for these days, and maybe for some that lie between them (on_days); all if None.

    Columns: partition_date, kind, record_id, user_profile_id, line_number, status (`replaced` for
    the replaced ones), reason_code, fields, since (from when this was known, in UTC).
    """
    query = (
        select(
            CLAIMS.c.partition_date,
            CLAIMS.c.kind,
            CLAIMS.c.record_id,
            CLAIMS.c.user_profile_id,
            CLAIMS.c.line_number,
            _status(known_at).label("status"),
            RECONCILIATIONS.c.reason_code,
            RECONCILIATIONS.c.fields,
            func.coalesce(RECONCILIATIONS.c.reconciled_at, FILES.c.first_claimed_at).label("since"),
        )
        .select_from(CLAIMS)
        .join(FILES, same_partition(FILES, CLAIMS))
        .outerjoin(
            RECONCILIATIONS,
            and_(
                RECONCILIATIONS.c.kind == CLAIMS.c.kind,
                RECONCILIATIONS.c.record_id == CLAIMS.c.record_id,
                _holds(known_at),
            ),
        )
        .where(FILES.c.first_claimed_at <= known_at)
    )
    if days is None:
        return query
    # Of files SQLite knows the days by their key, of claims PostgreSQL by the ranges of blocks.
    return query.where(
        on_days(FILES.c.partition_date, days), on_days(CLAIMS.c.partition_date, days)
    )


def unexpected(known_at: datetime = NOW, days: Sequence[date] | None = None) -> Query:
    """Returns a row per unexpected line of BDN's, with arguments and columns of `records`."""
    query = select(
        RECONCILIATIONS.c.partition_date,
        RECONCILIATIONS.c.kind,
        RECONCILIATIONS.c.record_id,
        RECONCILIATIONS.c.user_profile_id,
        RECONCILIATIONS.c.line_number,
        RECONCILIATIONS.c.status,
        RECONCILIATIONS.c.reason_code,
        RECONCILIATIONS.c.fields,
        RECONCILIATIONS.c.reconciled_at.label("since"),
    ).where(RECONCILIATIONS.c.record_id.is_(None), _holds(known_at))
    return query if days is None else query.where(on_days(RECONCILIATIONS.c.partition_date, days))


def newest_evidence() -> Subquery:
    """Returns kind, record_id, evidence, fields: what the newest feed that speaks of it says."""
    newer = EVIDENCE.alias()
    is_overtaken = exists().where(
        newer.c.kind == EVIDENCE.c.kind,
        newer.c.record_id == EVIDENCE.c.record_id,
        newer.c.feed_date > EVIDENCE.c.feed_date,
    )
    return (
        select(EVIDENCE.c.kind, EVIDENCE.c.record_id, EVIDENCE.c.evidence, EVIDENCE.c.fields)
        .where(~is_overtaken)
        .subquery()
    )


def needs_a_person(each: FromClause) -> ColumnElement[bool]:
    """Says whether a person has to act on a record.

    Not on a missing one that took effect, nor on a held one that has been released.

    Args:
        each: kind, user_profile_id, status, evidence.
    """
    took_effect = and_(each.c.status == str(Status.MISSING), each.c.evidence == CONFIRMED)
    is_released = and_(each.c.status == str(Status.HELD), ~is_held(each))
    return and_(
        each.c.status.in_([str(status) for status in MANUAL]),
        func.coalesce(~took_effect, true()),
        ~is_released,
    )


def is_held(rows: FromClause) -> ColumnElement[bool]:
    """Says whether a user profile's records of a kind are held back now.

    Args:
        rows: kind, user_profile_id.
    """
    return func.coalesce(newest_hold(rows, HOLDS.c.is_held), false())


def newest_hold(rows: FromClause, column: Column[Hold]) -> ScalarSelect[Hold]:
    """Returns what the last decision to hold or release says; null where there was none."""
    return (
        select(column)
        .where(HOLDS.c.kind == rows.c.kind, HOLDS.c.user_profile_id == rows.c.user_profile_id)
        .order_by(HOLDS.c.id.desc())
        .limit(1)
        .correlate(rows)
        .scalar_subquery()
    )


def is_resolved(each: FromClause) -> ColumnElement[bool]:
    """Says whether a person has closed what is known of a record.

    Args:
        each: partition_date, kind, user_profile_id, since.
    """
    return exists().where(*closes(each))


def closes(each: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions that a resolution closes what is known of a record."""
    return (
        same_partition(RESOLUTIONS, each),
        RESOLUTIONS.c.user_profile_id == each.c.user_profile_id,
        RESOLUTIONS.c.resolved_at >= each.c.since,
    )


def same_partition(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Says whether two rows are of the same day and kind."""
    return and_(one.c.partition_date == other.c.partition_date, one.c.kind == other.c.kind)


def _status(known_at: datetime) -> ColumnElement[str]:
    delivered = exists().where(
        same_partition(DELIVERIES, CLAIMS), DELIVERIES.c.delivered_at <= known_at
    )
    unsent = [str(status) for status in (*UNSENT, Status.UNDELIVERED)]
    earlier = func.coalesce(RECONCILIATIONS.c.status, CLAIMS.c.disposition)
    return case(
        (CLAIMS.c.disposition != LINE, CLAIMS.c.disposition if known_at == NOW else earlier),
        (~delivered, str(Status.UNDELIVERED)),
        (
            or_(RECONCILIATIONS.c.status.is_(None), RECONCILIATIONS.c.status.in_(unsent)),
            str(Status.PENDING),
        ),
        else_=RECONCILIATIONS.c.status,
    )


def _holds(known_at: datetime) -> ColumnElement[bool]:
    """Whether a reconciliation held at a moment."""
    if known_at == NOW:
        return RECONCILIATIONS.c.replaced_at.is_(None)
    return and_(
        RECONCILIATIONS.c.reconciled_at <= known_at,
        or_(RECONCILIATIONS.c.replaced_at.is_(None), RECONCILIATIONS.c.replaced_at > known_at),
    )
