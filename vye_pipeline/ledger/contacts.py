"""Which claimed records say how somebody can be reached, after VYE has deleted them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, func, select

from vye_pipeline.ledger.models import CLAIMS, FINDINGS, REPLACED
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES

WAYS = ("phone", "email")
WITHOUT_VALUE = ("required", "key", "text", "encoding")


@dataclass(frozen=True)
class ContactClaim:
    """A claimed record that names a way to reach somebody; created_at in UTC."""

    record_id: int
    user_profile_id: int
    partition_date: date
    created_at: datetime


def contact_claims(
    connection: Connection, user_profile_ids: Sequence[int], still_there: Collection[int]
) -> list[ContactClaim]:
    """Returns the claims of some profiles that name a way, newest first.

    Both ways are required of a record, so a claim names none only if both were found blank.

    Args:
        connection: to the ledger.
        user_profile_ids: whose claims.
        still_there: record ids that VYE's database has; it knows better of those.
    """
    blank = and_(
        FINDINGS.c.kind == CLAIMS.c.kind,
        FINDINGS.c.record_id == CLAIMS.c.record_id,
        FINDINGS.c.field.in_(WAYS),
        FINDINGS.c.code.in_(WITHOUT_VALUE),
    )
    count = select(func.count(FINDINGS.c.field.distinct())).where(blank).scalar_subquery()
    query = (
        select(
            CLAIMS.c.record_id,
            CLAIMS.c.user_profile_id,
            CLAIMS.c.partition_date,
            CLAIMS.c.created_at,
        )
        .where(
            CLAIMS.c.kind == DIRECT_DEPOSIT_CHANGES.name,
            CLAIMS.c.user_profile_id.in_(user_profile_ids),
            CLAIMS.c.disposition != REPLACED,
            count < len(WAYS),
        )
        .order_by(CLAIMS.c.created_at.desc(), CLAIMS.c.record_id.desc())
    )
    known = set(still_there)
    return [ContactClaim(*row) for row in connection.execute(query) if row.record_id not in known]
