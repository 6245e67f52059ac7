"""What a person decides where the stores can't tell: it is recorded, and then taken up.

A decision is kept among the snapshots as well, so that the next lost ledger knows it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pandas as pd

from vye_pipeline.bdn.file_names import outbound_key, outbound_place
from vye_pipeline.context import Context
from vye_pipeline.egress import memory
from vye_pipeline.egress.comparison import forgotten
from vye_pipeline.egress.memory import Memory, memories, recall, remember
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.models import (
    DECISIONS,
    DELIVERIES,
    DISOWNED,
    FILES,
    HAND_OVERS,
    TRIES,
    WAS_DELIVERED,
    WAS_NOT_DELIVERED,
)
from vye_pipeline.ledger.recovery import plain_rows
from vye_pipeline.ledger.rows import BY_HAND, PUT
from vye_pipeline.records import KINDS, Kind


def decide(
    context: Context,
    partition_date: date,
    kind: Kind,
    *,
    was_delivered: bool,
    decided_by: str,
    reason: str,
    now: datetime,
) -> None:
    """Decides whether BDN has had a file that was announced and is not there.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        was_delivered: whether BDN has had it; of several announcements the newest then counts.
        decided_by: who says so.
        reason: why; no personal data.
        now: with zone.

    Raises:
        UsageError: nothing is undecided.
        PipelineError: a store or the ledger failed.
    """
    with context.ledger.exclusive(kind):
        open_ones = _undecided(context, partition_date, kind)
        if not open_ones:
            raise UsageError(f"nothing of the {kind.name} of {partition_date} is undecided")
        decision = {
            "decision": WAS_DELIVERED if was_delivered else WAS_NOT_DELIVERED,
            "object_key": outbound_key(kind, partition_date),
            "decided_by": decided_by,
            "decided_at": now,
            "reason": reason,
        }
        for one in open_ones[-1:] if was_delivered else open_ones:
            row = decision | {"fingerprint": one.fingerprint}
            context.ledger.decide(**row)
            rows = {DECISIONS.name: pd.DataFrame([row])}
            if was_delivered:
                rows[DELIVERIES.name] = pd.DataFrame([_receipt(context, one)])
            state = memory.DELIVERED if was_delivered else memory.REFUSED
            remember(context, replace(one, state=state), rows)


def disown(context: Context, key: str, *, decided_by: str, reason: str, now: datetime) -> None:
    """Says that an object under the outbound prefix, as it is now, isn't this pipeline's.

    Args:
        context: databases and stores.
        key: of the object.
        decided_by: who says so.
        reason: why; no personal data.
        now: with zone.

    Raises:
        UsageError: there is no such object, or the ledger or the snapshots know it.
        PipelineError: a store or the ledger failed.
    """
    place = next((kind for kind in KINDS if outbound_place(kind, key)), None)
    if place is None:
        raise UsageError(f"{key} has no name of this pipeline's: nobody asks about it")
    kind, (day, revision) = place, outbound_place(place, key) or (date.min, 0)
    with context.ledger.exclusive(kind):
        fingerprint = context.fingerprint_at(key)
        unknown = {one.object_key for one in forgotten(context, kind) if one.memory is None}
        ours = {
            (one.partition_date, one.revision, one.fingerprint)
            for one in memories(context, kind.name)
        }
        if key not in unknown or fingerprint is None or (day, revision, fingerprint) in ours:
            raise UsageError(f"{key} is no object that the ledger and the snapshots don't know")
        row = {
            "decision": DISOWNED,
            "object_key": key,
            "fingerprint": fingerprint,
            "decided_by": decided_by,
            "decided_at": now,
            "reason": reason,
        }
        context.ledger.decide(**row)
        this = Memory(day, kind.name, revision, 0, fingerprint, memory.DISOWNED)
        remember(context, this, {DECISIONS.name: pd.DataFrame([row])})


def _undecided(context: Context, partition_date: date, kind: Kind) -> list[Memory]:
    """Returns the announcements of a file that neither object nor record speaks for."""
    if (
        any(
            one.state == memory.DELIVERED and one.revision == 1
            for one in memories(context, kind.name, partition_date.isoformat())
        )
        or context.objects.find(outbound_key(kind, partition_date)) is not None
    ):
        return []
    unknown = [
        one.memory
        for one in forgotten(context, kind)
        if one.memory is not None and (one.partition_date, one.revision) == (partition_date, 1)
    ]
    refused = {one.fingerprint for one in unknown if one.state == memory.REFUSED}
    return sorted(
        one for one in unknown if one.state == memory.ANNOUNCED and one.fingerprint not in refused
    )


def _receipt(context: Context, announced: Memory) -> dict[str, Any]:
    """Returns the receipt's row of an announced file, as of its first try."""
    rows = recall(context, announced)
    (file,), (tried,) = plain_rows(rows[FILES.name]), plain_rows(rows[TRIES.name])
    names = (column.name for column in DELIVERIES.c)
    return {name: file[name] for name in names if name in file} | {
        "delivered_at": tried["begun_at"],
        "way": BY_HAND if HAND_OVERS.name in rows else PUT,
    }
