"""After the delivery: whether what was sent is still there, and sending a file again.

BDN may ask for a file again. It then gets the same bytes under the file's next revision, never
under the first name, and who asked for it and why is recorded before anything is put.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

import pandas as pd

from vye_pipeline.context import Context
from vye_pipeline.egress.deliver import load_upload_file
from vye_pipeline.egress.memory import Memory, Rows
from vye_pipeline.egress.put import put_file
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.models import REDELIVERIES
from vye_pipeline.ledger.rows import BY_HAND, RedeliveryRow, SentObject
from vye_pipeline.records import KINDS, Kind


class ObjectState(StrEnum):
    """How what lies in the object store compares with the ledger's fingerprint."""

    INTACT = "intact"
    MISSING = "missing"
    ALTERED = "altered"
    NOT_THERE = "not there: handed over"
    THERE_AS_WELL = "there as well: handed over"

    @property
    def is_right(self) -> bool:
        """Whether it is as it has to be."""
        return self in (ObjectState.INTACT, ObjectState.NOT_THERE)


@dataclass(frozen=True)
class Verified:
    """An object that BDN was sent, and the fingerprint of what is there now (None: nothing)."""

    sent: SentObject
    found: str | None

    @property
    def state(self) -> ObjectState:
        """Whether it is there, and is what was sent."""
        if self.sent.way == BY_HAND:
            return ObjectState.NOT_THERE if self.found is None else ObjectState.THERE_AS_WELL
        if self.found is None:
            return ObjectState.MISSING
        return ObjectState.INTACT if self.found == self.sent.fingerprint else ObjectState.ALTERED

    def in_words(self) -> str:
        """Returns what is wrong with it and what to do."""
        if self.state is ObjectState.THERE_AS_WELL:
            return (
                f"{self.sent.object_key} is in the store although the file was handed over: ask "
                "BDN which one it has read, so that it doesn't read both"
            )
        if self.found is None:
            return (
                f"{self.sent.object_key} is missing: if BDN has not read it, "
                f"vye redeliver {self.sent.partition_date} --kind {self.sent.kind}"
            )
        return (
            f"{self.sent.object_key} is {self.state}: it has the fingerprint {self.found}, "
            f"{self.sent.fingerprint} was sent; find out who wrote it and which one BDN has read"
        )

    def as_json(self) -> dict[str, str | None]:
        """Returns the object of `vye status --verify --json`."""
        return {
            "partition_date": self.sent.partition_date.isoformat(),
            "kind": self.sent.kind,
            "object_key": self.sent.object_key,
            "state": self.state.value,
            "fingerprint": self.sent.fingerprint,
            "fingerprint_found": self.found,
        }


def verify(context: Context, days: Sequence[date], kinds: Sequence[Kind] = KINDS) -> list[Verified]:
    """Compares each object that was sent with the ledger's fingerprint.

    Args:
        context: ledger and object store.
        days: the partitions to look at, oldest first.
        kinds: whose objects.

    Raises:
        PipelineError: the object store or the ledger failed.
    """
    if not days:
        return []
    names = {kind.name for kind in kinds}
    return [
        Verified(sent, context.fingerprint_at(sent.object_key))
        for sent in context.ledger.sent_objects(days[0], days[-1])
        if sent.kind in names
    ]


def redeliver(
    context: Context,
    partition_date: date,
    kind: Kind,
    *,
    requested_by: str,
    reason: str,
    now: datetime,
) -> RedeliveryRow:
    """Puts a delivered file again, under its next revision, once.

    A redelivery that was interrupted is finished before another can begin.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        requested_by: who does it.
        reason: why; no personal data.
        now: with zone.

    Raises:
        UsageError: the file was never delivered: there is nothing to deliver again.
        PipelineError: upload: the object store refuses it; defect: the file's snapshot is lost.
    """
    with context.ledger.exclusive(kind):
        receipt = context.ledger.receipt(partition_date, kind)
        if receipt is None:
            raise UsageError(
                f"the {kind.name} of {partition_date} are not delivered: "
                f"vye egress {partition_date} --kind {kind.name}"
            )
        content = load_upload_file(context, partition_date, kind)
        requested = context.ledger.request_redelivery(
            receipt, kind, requested_by=requested_by, reason=reason, requested_at=now
        )
        put_file(
            context,
            kind,
            content,
            file=Memory(partition_date, kind.name, requested.revision, 1, requested.fingerprint),
            announcement=_rows(requested),
            record=_rows(replace(requested, redelivered_at=now)),
            now=now,
        )
        context.ledger.redeliver(requested, now)
    return requested


def _rows(redelivery: RedeliveryRow) -> Rows:
    return {REDELIVERIES.name: pd.DataFrame([vars(redelivery)])}
