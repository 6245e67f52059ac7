"""Holding a user profile's records back, and releasing them: people decide, the next run obeys.

A decision waits for a put that is under way, and every later claim and put asks for it. It is kept
among the snapshots as well: a ledger that has forgotten it puts nothing (egress/comparison.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import select

from vye_pipeline.context import Context
from vye_pipeline.egress.memory import keep_rows, kept_rows
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger.models import HOLDS
from vye_pipeline.ledger.recovery import plain_rows
from vye_pipeline.records import Kind
from vye_pipeline.vye_database.personal import PROFILES

FOLDER = "holds"


def hold(
    context: Context,
    user_profile_id: int,
    kinds: Sequence[Kind],
    *,
    is_held: bool,
    reason: str,
    decided_by: str,
    now: datetime,
) -> list[Kind]:
    """Holds a user profile's records back, or releases them.

    Args:
        context: databases and stores.
        user_profile_id: whose records.
        kinds: of the records.
        is_held: True to hold, False to release.
        reason: why; no personal data.
        decided_by: who says so.
        now: with zone.

    Returns:
        The kinds for which that is new.

    Raises:
        UsageError: there is nothing to hold or release.
        PipelineError: the ledger or the snapshots failed.
    """
    changed = []
    for kind in kinds:
        with context.ledger.exclusive(kind):  # no put is under way
            if context.ledger.is_held(user_profile_id, kind) != is_held:
                context.ledger.decide_hold(
                    {
                        "user_profile_id": user_profile_id,
                        "kind": kind.name,
                        "is_held": is_held,
                        "reason": reason,
                        "decided_by": decided_by,
                        "decided_at": now,
                    }
                )
                changed.append(kind)
            remember_holds(context, kind)
    if not changed:
        listed = ", ".join(kind.name for kind in kinds)
        state = "held back already" if is_held else "not held back"
        raise UsageError(f"user profile {user_profile_id}: {listed} are {state}")
    return changed


def is_unknown(context: Context, user_profile_id: int) -> bool:
    """Says whether VYE has no such user profile; one that can't be looked for may be held back."""
    with suppress(PipelineError), context.vye.errors(), context.vye_engine.connect() as connection:
        profiles = context.vye_shape.tables[PROFILES]
        query = select(profiles.c.id).where(profiles.c.id == user_profile_id)
        return connection.scalar(query) is None
    return False


def remember_holds(context: Context, kind: Kind) -> None:
    """Keeps the decisions on a kind that the snapshots don't have yet."""
    rows, known = context.ledger.hold_rows(kind), set(_names(context, kind))
    for name, (_, row) in zip(ledger_names(context, kind), rows.iterrows(), strict=True):
        if name not in known:
            keep_rows(context, name, {HOLDS.name: row.to_frame().T.infer_objects()})


def forgotten_holds(context: Context, kind: Kind) -> list[str]:
    """Returns the names of the decisions in the snapshots that the ledger doesn't know."""
    return sorted(set(_names(context, kind)) - set(ledger_names(context, kind)))


def take_up_holds(context: Context, kind: Kind) -> list[str]:
    """Takes up in the ledger the decisions that it has forgotten, and returns a line each."""
    lines = []
    for name in forgotten_holds(context, kind):
        (row,) = plain_rows(kept_rows(context, name)[HOLDS.name])
        context.ledger.decide_hold({key: row[key] for key in row if key != "database_user"})
        what = "held back" if row["is_held"] else "released"
        lines.append(f"user profile {row['user_profile_id']}: {kind.name} {what} again")
    remember_holds(context, kind)
    return lines


def ledger_names(context: Context, kind: Kind) -> list[str]:
    """Returns the snapshots' names of the decisions on a kind that the ledger knows, in order."""
    rows = context.ledger.hold_rows(kind)
    return [
        f"{FOLDER}/{kind.name}/{at:%Y%m%dT%H%M%S.%f}-{profile}-{'held' if held else 'released'}"
        for at, profile, held in zip(
            rows["decided_at"], rows["user_profile_id"], rows["is_held"], strict=True
        )
    ]


def _names(context: Context, kind: Kind) -> list[str]:
    return list(context.snapshots.names(f"{FOLDER}/{kind.name}/"))
