"""How a veteran can be reached: VYE knows it only from direct deposit changes.

Whether there is a way may be shown to analysts; which it is goes to a person at a terminal only,
and who looked it up and why is recorded (architecture.md, rule 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from vye_pipeline.context import Context
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.standing import records
from vye_pipeline.ledger.views import open_items
from vye_pipeline.records.statuses import Status
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Query
from vye_pipeline.sql.frames import read_frame
from vye_pipeline.vye_database.personal import plain_text
from vye_pipeline.vye_database.tables import Base


@dataclass(frozen=True)
class Contact:
    """How a user profile can be reached, as it was given last. Personal data."""

    phone: str
    phone2: str
    email: str


@retried
def reachable(context: Context, user_profile_ids: Sequence[int]) -> frozenset[int]:
    """Says which of some user profiles have given a telephone number or e-mail address.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    query = _given(_INFO.c.user_profile_id).where(_INFO.c.user_profile_id.in_(user_profile_ids))
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return frozenset(read_frame(connection, query.distinct())["user_profile_id"].tolist())


def look_up(
    context: Context, user_profile_id: int, *, looked_up_by: str, reason: str, now: datetime
) -> Contact | None:
    """Returns how a user profile with something open can be reached, None if it has given nothing.

    Who looks it up, when and why is in the ledger before anything is read.

    Args:
        context: ledger and VYE's database.
        user_profile_id: whose contact details.
        looked_up_by: who wants to know.
        reason: why; no personal data.
        now: with zone.

    Raises:
        UsageError: nothing of the profile is open: nobody needs to reach it.
        PipelineError: source: VYE's database can't be read; defect: the ledger can't be written.
    """
    if not context.ledger.read(lambda connection: _has_something_open(connection, user_profile_id)):
        raise UsageError(
            f"nothing of user profile {user_profile_id} is open, so its contact details are not "
            "shown: vye affected lists whose are"
        )
    context.ledger.record_contact_lookup(
        user_profile_id=user_profile_id, looked_up_by=looked_up_by, reason=reason, looked_up_at=now
    )
    return _newest(context, user_profile_id)


def _has_something_open(connection: Connection, user_profile_id: int) -> bool:
    """Says whether a record of a user profile needs a person, or has not been delivered."""
    needing, all_records = open_items().subquery(), records().subquery()
    question = or_(
        exists().where(needing.c.user_profile_id == user_profile_id),
        exists().where(
            all_records.c.user_profile_id == user_profile_id,
            all_records.c.status == str(Status.UNDELIVERED),
        ),
    )
    return bool(connection.scalar(select(question)))


@retried
def _newest(context: Context, user_profile_id: int) -> Contact | None:
    query = (
        _given(*_WAYS)
        .where(_INFO.c.user_profile_id == user_profile_id)
        .order_by(_CHANGE.c.created_at.desc(), _CHANGE.c.id.desc())
        .limit(1)
    )
    with context.vye.errors(), context.vye_engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Contact(*row) if row else None


_CHANGE = Base.metadata.tables["vye_direct_deposit_changes"]
_INFO = Base.metadata.tables["vye_user_infos"]
_WAYS = [plain_text(_CHANGE, way) for way in ("phone", "phone2", "email")]


def _given(*columns: ColumnElement[Any]) -> Query:
    """Selects columns of the direct deposit changes that name any way to reach somebody."""
    return (
        select(*columns)
        .select_from(_CHANGE.join(_INFO, _INFO.c.id == _CHANGE.c.user_info_id))
        .where(or_(*(func.trim(way.element) != "" for way in _WAYS)))
    )
