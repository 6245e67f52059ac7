"""A file that was put and has no receipt: the process died in between, or the ledger was restored.

The receipt is written late, with what the second memory knows of the put: when it began, since
answers from before prove nothing, and when it was over.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from vye_pipeline.business_days import cut_off
from vye_pipeline.context import Context
from vye_pipeline.egress.memory import (
    ANNOUNCED,
    DELIVERED,
    begun_at,
    delivery,
    memories,
    memory_of,
    record_of,
    remember,
    take_up_hand_overs,
)
from vye_pipeline.ledger.models import SUCCEEDED
from vye_pipeline.ledger.rows import PUT, FileRow
from vye_pipeline.records import Kind

FIRST = 1


def finish_interrupted(context: Context, kind: Kind, file: FileRow, now: datetime) -> None:
    """Writes the receipt of a file that was put as announced, and has none.

    Args:
        context: databases and stores.
        kind: of the records.
        file: as the ledger has it.
        now: with zone.

    Raises:
        PipelineError: a store or the ledger failed.
    """
    day = file.partition_date
    if file.fingerprint is None or context.ledger.receipt(day, kind) is not None:
        return
    known = {
        one.state: one
        for one in memories(context, kind.name, day.isoformat())
        if (one.revision, one.fingerprint) == (FIRST, file.fingerprint)
    }
    if not (DELIVERED in known or _was_put(context, kind, file, file.fingerprint)):
        return
    # A file is put from its cut-off on: an announcement says more, where there is one.
    began = begun_at(context, known[ANNOUNCED]) if ANNOUNCED in known else cut_off(day)
    context.ledger.take_up_try(day, kind, FIRST, file.fingerprint, began, SUCCEEDED)
    over, way = now, PUT
    if DELIVERED in known:
        over, way = delivery(context, known[DELIVERED])
        take_up_hand_overs(context, known[DELIVERED])
    remember(context, replace(memory_of(file), state=DELIVERED), record_of(file.receipt(over, way)))
    context.ledger.deliver(file, kind, over, way)


def _was_put(context: Context, kind: Kind, file: FileRow, fingerprint: str) -> bool:
    """Says whether a file is known to have been put: BDN may have read and removed it since."""
    return (
        context.ledger.is_put(file.partition_date, kind, FIRST, fingerprint)
        or context.fingerprint_at(file.object_key) == fingerprint
    )
