"""How a veteran can be reached: VYE knows it only from direct deposit changes.

VYE deletes those the evening after they were sent; then what was claimed says it. Whether there is
a way may be shown to analysts; which it is goes to a person at a terminal only, and who looked it
up and why is recorded (architecture.md, rule 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection, exists, or_, select

from vye_pipeline.context import Context
from vye_pipeline.egress.export import snapshot_records
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.contacts import ContactClaim, contact_claims
from vye_pipeline.ledger.record_status import records
from vye_pipeline.ledger.views import open_items
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.records.statuses import Status
from vye_pipeline.retries import retried
from vye_pipeline.sql.frames import read_frame
from vye_pipeline.vye_database.personal import USER_INFOS, key_of, stored_text

CHANGES = DIRECT_DEPOSIT_CHANGES.table
WAYS = ("phone", "phone2", "email")


@dataclass(frozen=True)
class Contact:
    """How a user profile can be reached, as it was given last. Personal data."""

    phone: str
    phone2: str
    email: str


def reachable(context: Context, user_profile_ids: Sequence[int]) -> frozenset[int]:
    """Says which of some user profiles have given a telephone number or e-mail address.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    there = _read(context, user_profile_ids)
    gone = _gone(context, user_profile_ids, there)
    known = {claim.user_profile_id for claim in gone}
    given = _given(context, there[~there["user_profile_id"].isin(known)])
    return frozenset(known | set(given["user_profile_id"].tolist()))


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


def _newest(context: Context, user_profile_id: int) -> Contact | None:
    there = _read(context, [user_profile_id])
    given = _given(context, there)
    gone = _gone(context, [user_profile_id], there)
    if gone and (given.empty or given["created_at"].iloc[0] < gone[0].created_at):
        given = _kept(context, gone[0])
    return None if given.empty else Contact(*(str(given[way].iloc[0]) for way in WAYS))


@retried
def _read(context: Context, user_profile_ids: Sequence[int]) -> pd.DataFrame:
    """Reads the direct deposit changes of some profiles as they are stored, newest first."""
    shape = context.vye_shape
    change, info = shape.tables[CHANGES], shape.tables[USER_INFOS]
    query = (
        select(
            change.c.id.label("record_id"),
            info.c.user_profile_id,
            change.c.created_at,
            *(stored_text(shape, CHANGES, way) for way in WAYS),
            key_of(shape, CHANGES),
        )
        .select_from(change.join(info, info.c.id == change.c.user_info_id))
        .where(info.c.user_profile_id.in_(user_profile_ids))
        .order_by(change.c.created_at.desc(), change.c.id.desc())
    )
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return read_frame(connection, query)


def _given(context: Context, changes: pd.DataFrame) -> pd.DataFrame:
    """Opens changes, and returns those that name any way."""
    opened = context.personal.open_table(CHANGES, changes, WAYS)
    is_given = pd.Series(False, index=opened.index)
    for way in WAYS:
        is_given |= opened[way].str.strip(" ") != ""
    return opened[is_given]


def _gone(
    context: Context, user_profile_ids: Sequence[int], there: pd.DataFrame
) -> list[ContactClaim]:
    """Returns the claims that VYE's database has no longer and that name a way, newest first."""
    ids = there["record_id"].tolist()
    return context.ledger.read(lambda connection: contact_claims(connection, user_profile_ids, ids))


def _kept(context: Context, claim: ContactClaim) -> pd.DataFrame:
    """Returns a claimed record as its day's snapshot has it; nothing where there is none."""
    file = context.ledger.file(claim.partition_date, DIRECT_DEPOSIT_CHANGES)
    kept = snapshot_records(context, file)
    return pd.DataFrame() if kept is None else kept[kept["record_id"] == claim.record_id]
