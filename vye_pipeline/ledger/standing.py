"""How each record stands, as queries that reports and the analysts' views build upon.

A record's status is the one that was reconciled, unless its partition's delivery has changed since:
then the one that follows from that. What was known at an earlier moment is asked for by `known_at`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, true
from sqlalchemy.orm import aliased
from sqlalchemy.sql.expression import Subquery

from vye_pipeline.database import Query
from vye_pipeline.ledger.models import (
    LINE,
    Claim,
    Delivery,
    Evidence,
    File,
    Reconciliation,
    Resolution,
)
from vye_pipeline.reconciliation.statuses import CONFIRMED, MANUAL, Status

NOW = datetime.max.replace(tzinfo=UTC)


def records(known_at: datetime = NOW) -> Query:
    """Returns a row a claimed record, the replaced ones too.

    Columns: partition_date, kind, record_id, user_profile_id, line_number, status (`replaced` for
    the replaced ones), reason_code, fields, since (from when this was known, in UTC).
    """
    return (
        select(
            Claim.partition_date,
            Claim.kind,
            Claim.record_id,
            Claim.user_profile_id,
            Claim.line_number,
            _status(known_at).label("status"),
            Reconciliation.reason_code,
            Reconciliation.fields,
            func.coalesce(Reconciliation.reconciled_at, File.first_claimed_at).label("since"),
        )
        .select_from(Claim)
        .join(File, same_partition(File, Claim))
        .outerjoin(
            Reconciliation,
            and_(
                Reconciliation.kind == Claim.kind,
                Reconciliation.record_id == Claim.record_id,
                _holds(known_at),
            ),
        )
        .where(File.first_claimed_at <= known_at)
    )


def unexpected(known_at: datetime = NOW) -> Query:
    """Returns a row an unexpected line of BDN's, with the columns of `records`."""
    return select(
        Reconciliation.partition_date,
        Reconciliation.kind,
        Reconciliation.record_id,
        Reconciliation.user_profile_id,
        Reconciliation.line_number,
        Reconciliation.status,
        Reconciliation.reason_code,
        Reconciliation.fields,
        Reconciliation.reconciled_at.label("since"),
    ).where(Reconciliation.record_id.is_(None), _holds(known_at))


def newest_evidence() -> Subquery:
    """Returns kind, record_id, evidence, fields: what the newest feed that speaks of it says."""
    newer = aliased(Evidence)
    is_overtaken = exists().where(
        newer.kind == Evidence.kind,
        newer.record_id == Evidence.record_id,
        newer.feed_date > Evidence.feed_date,
    )
    return (
        select(Evidence.kind, Evidence.record_id, Evidence.evidence, Evidence.fields)
        .where(~is_overtaken)
        .subquery()
    )


def needs_a_person_now(each: Subquery) -> ColumnElement[bool]:
    """Says whether a record needs a person and nobody has seen to it since (needs_a_person).

    Args:
        each: partition_date, kind, user_profile_id, status, since, evidence.
    """
    took_effect = and_(each.c.status == str(Status.MISSING), each.c.evidence == CONFIRMED)
    is_resolved = exists().where(
        same_partition(Resolution, each.c),
        Resolution.user_profile_id == each.c.user_profile_id,
        Resolution.resolved_at >= each.c.since,
    )
    return and_(
        each.c.status.in_([str(status) for status in MANUAL]),
        func.coalesce(~took_effect, true()),
        ~is_resolved,
    )


def same_partition(one: Any, other: Any) -> ColumnElement[bool]:
    """Says whether two rows are of the same day and kind."""
    return and_(one.partition_date == other.partition_date, one.kind == other.kind)


def _status(known_at: datetime) -> ColumnElement[str]:
    delivered = exists().where(same_partition(Delivery, Claim), Delivery.delivered_at <= known_at)
    unsent = [str(Status.QUARANTINED), str(Status.SUPERSEDED), str(Status.UNDELIVERED)]
    earlier = func.coalesce(Reconciliation.status, Claim.disposition)
    return case(
        (Claim.disposition != LINE, Claim.disposition if known_at == NOW else earlier),
        (~delivered, str(Status.UNDELIVERED)),
        (
            or_(Reconciliation.status.is_(None), Reconciliation.status.in_(unsent)),
            str(Status.PENDING),
        ),
        else_=Reconciliation.status,
    )


def _holds(known_at: datetime) -> ColumnElement[bool]:
    """Whether a reconciliation held at a moment."""
    if known_at == NOW:
        return Reconciliation.replaced_at.is_(None)
    return and_(
        Reconciliation.reconciled_at <= known_at,
        or_(Reconciliation.replaced_at.is_(None), Reconciliation.replaced_at > known_at),
    )
