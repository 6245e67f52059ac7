"""The auditor's tables: who did what, and who looked up how a veteran can be reached."""

from __future__ import annotations

from sqlalchemy import Date, case, literal, null, select, union_all

from vye_pipeline.ledger.models import (
    ACTIONS,
    CONTACT_LOOKUPS,
    HAND_OVERS,
    HOLDS,
    REDELIVERIES,
    RESOLUTIONS,
)
from vye_pipeline.ledger.view import View


def _contact_lookups() -> View:
    return View(
        "contact_lookup_history",
        "For the auditor: one row each time a person looked up how a veteran can be reached.",
        {
            "looked_up_at": "when",
            "user_profile_id": "whose contact details",
            "looked_up_by": "who, by the operating system's user",
            "database_user": "the database session's user; null on SQLite",
            "reason": "why",
        },
        select(
            CONTACT_LOOKUPS.c.looked_up_at,
            CONTACT_LOOKUPS.c.user_profile_id,
            CONTACT_LOOKUPS.c.looked_up_by,
            CONTACT_LOOKUPS.c.database_user,
            CONTACT_LOOKUPS.c.reason,
        ),
    )


def _actions() -> View:
    each = union_all(
        select(
            ACTIONS.c.acted_at,
            ACTIONS.c.action,
            ACTIONS.c.partition_date,
            ACTIONS.c.kind,
            ACTIONS.c.actor,
            ACTIONS.c.database_user,
            ACTIONS.c.reason,
        ),
        select(
            REDELIVERIES.c.requested_at,
            literal("redeliver"),
            REDELIVERIES.c.partition_date,
            REDELIVERIES.c.kind,
            REDELIVERIES.c.requested_by,
            REDELIVERIES.c.database_user,
            REDELIVERIES.c.reason,
        ),
        select(
            RESOLUTIONS.c.resolved_at,
            literal("resolve"),
            RESOLUTIONS.c.partition_date,
            RESOLUTIONS.c.kind,
            RESOLUTIONS.c.resolved_by,
            RESOLUTIONS.c.database_user,
            RESOLUTIONS.c.note,
        ),
        select(
            HOLDS.c.decided_at,
            case((HOLDS.c.is_held, "hold"), else_="release"),
            null().cast(Date),
            HOLDS.c.kind,
            HOLDS.c.decided_by,
            HOLDS.c.database_user,
            HOLDS.c.reason,
        ),
        select(
            HAND_OVERS.c.done_at,
            literal("hand-over, ").concat(HAND_OVERS.c.step),
            HAND_OVERS.c.partition_date,
            HAND_OVERS.c.kind,
            HAND_OVERS.c.done_by,
            HAND_OVERS.c.database_user,
            HAND_OVERS.c.note,
        ),
    ).subquery()
    return View(
        "action_history",
        "For the auditor: one row per command by which a person has changed something.",
        {
            "acted_at": "when",
            "action": "the command: egress, backfill, redeliver, resolve …",
            "partition_date": "of what it was about; null for several days",
            "kind": "the kind of record; null for all",
            "actor": "who, by the operating system's user",
            "database_user": "the database session's user; null on SQLite",
            "reason": "why, or what was done; null where the command doesn't ask",
        },
        select(*each.c),
    )


AUDIT_VIEWS = (_contact_lookups(), _actions())
