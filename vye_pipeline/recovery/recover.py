"""`vye recover`: ledger and snapshots take up what they lack from each other and the store.

Each kind is gone through under its lock, oldest partition first. Each step can be repeated, and
what is there already stays: it may be killed anywhere and begun again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime

import pandas as pd

from vye_pipeline.bdn.file_names import OUTBOUND, outbound_key, outbound_place
from vye_pipeline.context import Context
from vye_pipeline.egress import memory
from vye_pipeline.egress.hold import take_up_holds
from vye_pipeline.egress.memory import (
    Memory,
    begun_at,
    delivery,
    memories,
    memory_of,
    recall,
    record_of,
    remember,
    take_up_hand_overs,
)
from vye_pipeline.ledger.models import (
    DECISIONS,
    HAND_OVERS,
    REDELIVERIES,
    REFUSED,
    SUCCEEDED,
    TRIES,
    UNKNOWN,
)
from vye_pipeline.ledger.recovery import plain_rows
from vye_pipeline.ledger.rows import PUT, Receipt
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.recovery.answers import recall_answers

FIRST = 1


@dataclass
class Recovery:
    """What became of a recovery.

    Attributes:
        taken_up: what the ledger, or the snapshots, know again: a line each.
        left: what can't be recovered or is undecided, with what to do: a line each.
    """

    taken_up: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Remains:
    """What the stores have of a partition's file of one kind.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        memories: of all its revisions.
        objects: the fingerprint of what lies in the object store, by revision.
    """

    partition_date: date
    kind: Kind
    memories: list[Memory]
    objects: dict[int, str]

    def of(self, revision: int, state: str) -> list[Memory]:
        """Returns the memories of a revision and state, oldest version first."""
        return [one for one in self.memories if (one.revision, one.state) == (revision, state)]

    @property
    def key(self) -> str:
        """Where the file was put."""
        return outbound_key(self.kind, self.partition_date)


def recover(context: Context, first: date, last: date, now: datetime) -> Recovery:
    """Takes up what the ledger doesn't know, and remembers what only the ledger knows.

    Args:
        context: databases and stores.
        first: the first partition.
        last: the last partition.
        now: with zone.

    Raises:
        PipelineError: a store or the ledger failed.
    """
    done = Recovery()
    for kind in KINDS:
        with context.ledger.exclusive(kind):
            for remains in _remains(context, kind, first, last):
                _take_up_decisions(context, remains)
                _take_up_file(context, remains, done)
                for revision in _revisions_again(remains):
                    _take_up_redelivery(context, remains, revision, done)
            for receipt in context.ledger.receipts(first, last, kind):
                if _remember_receipt(context, receipt, kind):
                    done.taken_up.append(f"{receipt.object_key}: remembered in the snapshots")
            done.taken_up += take_up_holds(context, kind)
    for kind in KINDS:
        recall_answers(context, kind, first, last, now)
    return done


def _remains(context: Context, kind: Kind, first: date, last: date) -> list[Remains]:
    """Returns what lies in the stores, oldest partition first."""
    remembered: dict[date, list[Memory]] = {}
    for one in memories(context, kind.name):
        remembered.setdefault(one.partition_date, []).append(one)
    objects: dict[date, dict[int, str]] = {}
    for stored in context.objects.list(OUTBOUND):
        place = outbound_place(kind, stored.key)
        if place is not None and first <= place[0] <= last:
            fingerprint = context.fingerprint_at(stored.key)
            if fingerprint is not None:
                objects.setdefault(place[0], {})[place[1]] = fingerprint
    days = sorted({*remembered, *objects})
    return [
        Remains(day, kind, remembered.get(day, []), objects.get(day, {}))
        for day in days
        if first <= day <= last
    ]


def _take_up_decisions(context: Context, remains: Remains) -> None:
    for one in remains.memories:
        if one.state != memory.ANNOUNCED:
            for row in plain_rows(recall(context, one).get(DECISIONS.name, pd.DataFrame())):
                context.ledger.decide(**row)


def _take_up_file(context: Context, remains: Remains, done: Recovery) -> None:
    """Takes up the claims and the receipt of the file as it was delivered first."""
    day, kind = remains.partition_date, remains.kind
    known = context.ledger.known(kind, [(day, day)])
    if (day, FIRST) in known.sent:
        _take_up_tries(context, remains)
        return
    announced = remains.of(FIRST, memory.ANNOUNCED)
    forgotten = [one for one in announced if (day, FIRST, one.fingerprint) not in known.tried]
    delivered = remains.of(FIRST, memory.DELIVERED)
    lying = remains.objects.get(FIRST)
    if (remains.key, lying) in known.disowned:
        lying = None
    fingerprint = delivered[0].fingerprint if delivered else lying
    if fingerprint is not None:
        of_it = [one for one in announced if one.fingerprint == fingerprint]
        if not of_it:
            done.left.append(
                f"{remains.key}: the snapshots have no announcement of it. If it isn't this "
                f'pipeline\'s: vye recover --disown {remains.key} "why"'
            )
        elif _take_up_claims(context, remains, of_it[-1], done, is_delivered=True):
            _take_up_receipt(context, remains, of_it[-1], delivered, done)
    elif forgotten:
        refused = {one.fingerprint for one in remains.of(FIRST, memory.REFUSED)}
        if all(one.fingerprint in refused for one in forgotten):
            if _take_up_claims(context, remains, announced[-1], done, is_delivered=False):
                done.taken_up.append(f"{remains.key}: its records are claimed, undelivered")
        else:
            done.left.append(undecided(remains))


def undecided(remains: Remains) -> str:
    """Says that only a person can tell whether BDN has had a file."""
    return (
        f"{remains.key}: it was about to be put, and neither it nor a record of its delivery is "
        f"there. Ask BDN, then vye recover {remains.partition_date} --kind {remains.kind.name} "
        '--delivered "why", or --not-delivered "why"'
    )


def _take_up_claims(
    context: Context, remains: Remains, announced: Memory, done: Recovery, *, is_delivered: bool
) -> bool:
    rows = recall(context, announced)
    twice = context.ledger.take_up(
        remains.partition_date, remains.kind, rows, is_delivered=is_delivered
    )
    if twice:
        done.left.append(
            f"{remains.key}: {twice} of its records were sent by another partition too; "
            "ask BDN which of them counts"
        )
        return False
    _take_up_tries(context, remains)
    return True


def _take_up_receipt(
    context: Context,
    remains: Remains,
    announced: Memory,
    delivered: list[Memory],
    done: Recovery,
) -> None:
    file = context.ledger.file(remains.partition_date, remains.kind)
    if file is None:
        return
    at, way = begun_at(context, announced), PUT
    take_up_hand_overs(context, announced)
    if delivered:
        at, way = delivery(context, delivered[0])
        take_up_hand_overs(context, delivered[0])
    receipt = context.ledger.deliver(file, remains.kind, at, way)
    if not delivered:
        remember(context, replace(announced, state=memory.DELIVERED), record_of(receipt))
    done.taken_up.append(f"{remains.key}: delivered, {receipt.line_count} lines")


def _take_up_tries(context: Context, remains: Remains) -> None:
    """Takes up the tries of the file: of those that can't have succeeded as refused."""
    delivered = {one.fingerprint for one in remains.of(FIRST, memory.DELIVERED)}
    refused = {one.fingerprint for one in remains.of(FIRST, memory.REFUSED)}
    arrived = delivered or set(remains.objects.values())
    for one in remains.of(FIRST, memory.ANNOUNCED):
        outcome = UNKNOWN
        if one.fingerprint in arrived:
            outcome = SUCCEEDED
        elif arrived or one.fingerprint in refused:
            outcome = REFUSED
        context.ledger.take_up_try(
            remains.partition_date,
            remains.kind,
            FIRST,
            one.fingerprint,
            begun_at(context, one),
            outcome,
        )
    for one in remains.of(FIRST, memory.REFUSED):
        take_up_hand_overs(context, one)


def _revisions_again(remains: Remains) -> list[int]:
    revisions = {one.revision for one in remains.memories} | set(remains.objects)
    return sorted(revisions - {FIRST})


def _take_up_redelivery(context: Context, remains: Remains, revision: int, done: Recovery) -> None:
    """Takes up one redelivery; one that is neither there nor on record is asked for again."""
    day, kind = remains.partition_date, remains.kind
    key = outbound_key(kind, day, revision)
    known = context.ledger.known(kind, [(day, day)])
    newest = [*remains.of(revision, memory.ANNOUNCED), *remains.of(revision, memory.DELIVERED)]
    if (day, FIRST) not in known.sent or (key, remains.objects.get(revision)) in known.disowned:
        return
    if not newest:
        if (day, revision) not in known.sent:
            done.left.append(
                f"{key}: the snapshots have no announcement of it. If it isn't this pipeline's: "
                f'vye recover --disown {key} "why"'
            )
        return
    (row,) = plain_rows(recall(context, newest[-1])[REDELIVERIES.name])
    announced = remains.of(revision, memory.ANNOUNCED)
    began = begun_at(context, announced[0]) if announced else row["requested_at"]
    has_arrived = newest[-1].state == memory.DELIVERED or revision in remains.objects
    if has_arrived and row["redelivered_at"] is None:
        row["redelivered_at"] = began
    is_new = (day, revision) not in known.sent
    context.ledger.take_up_redelivery(row)
    context.ledger.take_up_try(
        day, kind, revision, row["fingerprint"], began, SUCCEEDED if has_arrived else UNKNOWN
    )
    if is_new:
        done.taken_up.append(f"{key}: delivered again")


def _remember_receipt(context: Context, receipt: Receipt, kind: Kind) -> bool:
    """Remembers a delivery that only the ledger knows: an earlier version made no memories."""
    day = receipt.partition_date
    states = {
        one.state
        for one in memories(context, kind.name, day.isoformat())
        if one.revision == FIRST and one.fingerprint == receipt.fingerprint
    }
    if {memory.ANNOUNCED, memory.DELIVERED} <= states:
        return False
    file = context.ledger.file(day, kind)
    if file is None:
        return False
    this = memory_of(file)
    tried = pd.DataFrame(
        [{"begun_at": context.ledger.first_try(day, kind) or receipt.delivered_at}]
    )
    remember(context, this, {**context.ledger.to_remember(day, kind), TRIES.name: tried})
    hand_overs = context.ledger.hand_over_rows(day, kind)
    rows = {**record_of(receipt), HAND_OVERS.name: hand_overs}
    remember(context, replace(this, state=memory.DELIVERED), rows)
    return True
