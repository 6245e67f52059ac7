"""The flag of a BDN clone, handed back to VYE (vye-database.md): the only writes to its database.

false once the clone's owner is recorded, so that VYE can activate its next clone; null once
everything of it is claimed and delivered. Both are decided anew each time, from the ledger and from
a look for unclaimed records over the credential that writes: that is the primary, never a standby.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from vye_pipeline.context import Context
from vye_pipeline.egress.membership import record_closings
from vye_pipeline.egress.unclaimed import Source, clones_with_unclaimed, unclaimed_records
from vye_pipeline.ledger.membership import CloneState
from vye_pipeline.records import KINDS
from vye_pipeline.retries import retried
from vye_pipeline.vye_database.connection import vye_write_database
from vye_pipeline.vye_database.tables import Base

CLONES = Base.metadata.tables["vye_bdn_clones"]
IS_CLOSED = (CLONES.c.export_ready.is_not(None), CLONES.c.is_active.is_(None))
KEPT_FOR = timedelta(hours=1)
RECORDED = "its owner is recorded for all kinds"
DELIVERED = "all that is known of it is claimed and delivered"


def look_at_clones(context: Context, now: datetime) -> None:
    """Records what VYE has closed, and hands back what can be: what every look begins with.

    Args:
        context: ledger, snapshots and VYE's database.
        now: with zone.

    Raises:
        PipelineError: source: a flag can't be read or written; defect: the ledger can't.
    """
    record_closings(context, now)
    settle_clones(context, now)


def settle_clones(context: Context, now: datetime) -> None:
    """Sets the flag of every clone of which the ledger knows the owner.

    What is written, and why, is in the ledger before it is. Without a write URL nothing is done.

    Args:
        context: ledger and VYE's database.
        now: with zone.

    Raises:
        PipelineError: source: the flag can't be read or written; defect: the ledger can't.
    """
    database = vye_write_database(context.settings)
    if database is None:
        return
    primary = Source(database, database.engine())
    try:
        _settle(context, primary, now)
    finally:
        primary.engine.dispose()


def _settle(context: Context, primary: Source, now: datetime) -> None:
    flags = _flags(primary)
    for clone in context.ledger.clone_states(list(flags)):
        if clone.owned_kinds < len(KINDS):
            continue
        is_done = _is_done(clone, now) and not _has_unclaimed(context, primary, clone)
        export_ready, reason = (None, DELIVERED) if is_done else (False, RECORDED)
        if flags[clone.bdn_clone_id] is not export_ready:
            context.ledger.record_release(clone.bdn_clone_id, export_ready, reason, now)
            _write(primary, clone.bdn_clone_id, export_ready)


def _is_done(clone: CloneState, now: datetime) -> bool:
    """Says whether a clone was read, delivered, and seen long enough ago, as the ledger has it."""
    return (
        clone.read_kinds == len(KINDS)
        and not clone.open_files
        and now - clone.first_seen_at >= KEPT_FOR
    )


def _has_unclaimed(context: Context, primary: Source, clone: CloneState) -> bool:
    """Says whether VYE holds a record of a clone that nobody has claimed."""
    return any(
        clones_with_unclaimed(primary, context.ledger, kind, [clone.bdn_clone_id])
        and len(unclaimed_records(primary, context.ledger, kind, [clone.bdn_clone_id]))
        for kind in KINDS
    )


@retried
def _flags(primary: Source) -> dict[int, bool]:
    """Returns the flags of the clones that are closed and have not been handed back."""
    query = select(CLONES.c.id, CLONES.c.export_ready).where(*IS_CLOSED)
    with primary.database.errors(), primary.engine.connect() as connection:
        return dict(iter(connection.execute(query)))


@retried
def _write(primary: Source, clone_id: int, export_ready: bool | None) -> None:
    """Writes a flag in one conditional update: never over what VYE has changed meanwhile."""
    change = (
        update(CLONES).where(CLONES.c.id == clone_id, *IS_CLOSED).values(export_ready=export_ready)
    )
    with primary.database.errors(), primary.engine.begin() as connection:
        connection.execute(change)
