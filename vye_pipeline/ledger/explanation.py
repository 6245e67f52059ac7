"""Why a record needs attention and what to do next: the one place where that is put into words.

The terminal, the views, the page, the worklist and JSON all read these columns, so that they never
say different things of the same record.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, exists, func, select
from sqlalchemy.sql.expression import Subquery

from vye_pipeline.ledger.connection import has_receipt
from vye_pipeline.ledger.models import (
    CLAIMS,
    FAILURES,
    FINDINGS,
    HOLDS,
    LINE,
    REASON_CODES,
    RESOLUTIONS,
)
from vye_pipeline.ledger.record_status import (
    closes,
    is_held,
    needs_a_person,
    newest_evidence,
    newest_hold,
    same_partition,
)
from vye_pipeline.records.rules import MEANINGS
from vye_pipeline.records.statuses import (
    CONFIRMED,
    CONTRADICTED,
    NEXT_STEPS,
    REASONS,
    Status,
)

INTERRUPTED = "the egress was interrupted"
RELEASED = "wait: the next day that runs sends it"


def explained(each: Subquery) -> Subquery:
    """Adds to each record why it is as it is, what to do next, and whether a person has to.

    Args:
        each: the columns of `standing.records`.

    Returns:
        partition_date, kind, user_profile_id, record_id, line_number, status, reason_code (BDN's,
        or the first rule that was broken), reason, fields (separated by commas), next_step, since,
        is_moot, evidence, evidence_fields, needs_manual_reconciliation, resolved_at.
    """
    each = _with_evidence(each)
    is_quarantined = each.c.status == str(Status.QUARANTINED)
    return (
        select(
            each.c.partition_date,
            each.c.kind,
            each.c.user_profile_id,
            each.c.record_id,
            each.c.line_number,
            each.c.status,
            case((is_quarantined, _first_rule(each)), else_=each.c.reason_code).label(
                "reason_code"
            ),
            (_reason(each) + _in_the_feed(each)).label("reason"),
            case((is_quarantined, _fields_at_fault(each)), else_=each.c.fields).label("fields"),
            case(
                (_is_released(each), RELEASED),
                else_=func.coalesce(REASON_CODES.c.suggested_action, _by_status(each, NEXT_STEPS)),
            ).label("next_step"),
            each.c.since,
            _is_moot(each).label("is_moot"),
            each.c.evidence,
            each.c.evidence_fields,
            needs_a_person(each).label("needs_manual_reconciliation"),
            _resolved_at(each).label("resolved_at"),
        )
        .outerjoin(REASON_CODES, REASON_CODES.c.code == each.c.reason_code)
        .subquery()
    )


def _with_evidence(each: Subquery) -> Subquery:
    """Adds what the newest feed says of each record: evidence, evidence_fields."""
    newest = newest_evidence()
    same = and_(newest.c.kind == each.c.kind, newest.c.record_id == each.c.record_id)
    fields = newest.c.fields.label("evidence_fields")
    return select(*each.c, newest.c.evidence, fields).outerjoin(newest, same).subquery()


def _reason(each: Subquery) -> ColumnElement[str]:
    is_status = {status: each.c.status == str(status) for status in Status}
    return case(
        (is_status[Status.QUARANTINED], func.coalesce(_faults(each), "")),
        (is_status[Status.HELD], _why_held(each)),
        (is_status[Status.UNDELIVERED], func.coalesce(_last_failure(each), INTERRUPTED)),
        (is_status[Status.MISMATCHED], "BDN read differently: " + func.coalesce(each.c.fields, "")),
        (
            each.c.reason_code.is_not(None),
            func.coalesce(REASON_CODES.c.meaning, "BDN's reason code " + each.c.reason_code),
        ),
        else_=_by_status(each, REASONS),
    )


def _is_released(each: Subquery) -> ColumnElement[bool]:
    return and_(each.c.status == str(Status.HELD), ~is_held(each))


def _why_held(each: Subquery) -> ColumnElement[str]:
    why = func.coalesce(newest_hold(each, HOLDS.c.reason), REASONS[Status.HELD])
    return case((is_held(each), "held back: " + why), else_="released: " + why)


def _by_status(each: Subquery, texts: dict[Status, str]) -> ColumnElement[str]:
    return case(
        *((each.c.status == str(status), words) for status, words in texts.items()), else_=""
    )


def _in_the_feed(each: Subquery) -> ColumnElement[str]:
    """Returns what BDN's feed adds to the reason."""
    contradicted = "; BDN's feed shows otherwise: " + func.coalesce(each.c.evidence_fields, "")
    return case(
        (each.c.evidence == CONFIRMED, "; BDN's feed shows that it took effect"),
        (each.c.evidence == CONTRADICTED, contradicted),
        else_="",
    )


def _findings(each: Subquery) -> Subquery:
    """Returns the broken rules of a record, by field and code: field, code."""
    return (
        select(FINDINGS.c.field, FINDINGS.c.code)
        .where(
            FINDINGS.c.kind == each.c.kind,
            FINDINGS.c.record_id == each.c.record_id,
            FINDINGS.c.is_quarantining,
        )
        .order_by(FINDINGS.c.field, FINDINGS.c.code)
        .correlate(each)
        .subquery()
    )


def _faults(each: Subquery) -> ScalarSelect[str]:
    found = _findings(each)
    meaning = case(*((found.c.code == code, words) for code, words in MEANINGS.items()), else_="")
    each_fault = found.c.field + " " + meaning
    return select(func.aggregate_strings(each_fault, "; ")).correlate(each).scalar_subquery()


def _first_rule(each: Subquery) -> ScalarSelect[str]:
    return select(_findings(each).c.code).limit(1).correlate(each).scalar_subquery()


def _fields_at_fault(each: Subquery) -> ScalarSelect[str]:
    fields = select(_findings(each).c.field).distinct().correlate(each).subquery()
    return select(func.aggregate_strings(fields.c.field, ",")).correlate(each).scalar_subquery()


def _last_failure(each: Subquery) -> ScalarSelect[str]:
    return (
        select(FAILURES.c.what)
        .where(same_partition(FAILURES, each))
        .order_by(FAILURES.c.id.desc())
        .limit(1)
        .correlate(each)
        .scalar_subquery()
    )


def _is_moot(each: Subquery) -> ColumnElement[bool]:
    """Whether a newer submission of the kind by the same user profile was delivered."""
    newer, own = CLAIMS.alias(), CLAIMS.alias()
    return exists().where(
        own.c.kind == each.c.kind,
        own.c.record_id == each.c.record_id,
        newer.c.kind == own.c.kind,
        newer.c.user_profile_id == own.c.user_profile_id,
        newer.c.created_at > own.c.created_at,
        newer.c.disposition == LINE,
        has_receipt(newer),
    )


def _resolved_at(each: Subquery) -> ScalarSelect[datetime]:
    """When a person closed what is known of the record now."""
    return (
        select(func.max(RESOLUTIONS.c.resolved_at))
        .where(*closes(each))
        .correlate(each)
        .scalar_subquery()
    )
