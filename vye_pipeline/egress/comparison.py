"""Whether the ledger knows all that has been put, before anything more is.

A ledger that was restored from a backup, or lost and made anew, doesn't know what was delivered
since. The object store and the second memory (memory.py) do. Before a put the partitions without
a receipt are looked at and those from the newest receipt on, by whole months (bdn-interface.md,
part 2). A partition that was closed without a file is left out: the put that closed it has looked
at it, and it opens again with a clone of its own. So it grows with the days that are open, not with
the history. Doctor looks as far; `vye status --verify` and people's decisions look at everything.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from vye_pipeline.bdn.file_names import OUTBOUND, outbound_key, outbound_place
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.egress.hold import forgotten_holds
from vye_pipeline.egress.memory import DELIVERED, DISOWNED, Memory, memories
from vye_pipeline.errors import ledger_error
from vye_pipeline.ledger.second_memory import Known
from vye_pipeline.records import KINDS, Kind

MOST_MONTHS = 12  # of more, everything is listed at once
EVERYTHING = ("",)
MOST_NAMED = 5


@dataclass(frozen=True)
class Forgotten:
    """A file that was put, or was about to be, and that the ledger doesn't know.

    Attributes:
        partition_date: of the file.
        revision: 1 for the file as it was delivered first, from 2 for a redelivery.
        object_key: where it lies or was to lie.
        memory: what the snapshots have of it, None where only an object is there.
    """

    partition_date: date
    revision: int
    object_key: str
    memory: Memory | None


def forgotten(context: Context, kind: Kind, months: Sequence[str] = EVERYTHING) -> list[Forgotten]:
    """Returns what lies in the object store or the snapshots and the ledger doesn't know.

    Args:
        context: databases and stores.
        kind: of the records.
        months: of the partitions, as their dates begin: `2025-04`.

    Raises:
        PipelineError: a store can't be listed, or the ledger can't be read.
    """
    known = context.ledger.known(kind, [_span(month) for month in months if month])
    return [
        one
        for month in months
        for one in (*_objects(context, kind, month, known), *_memories(context, kind, month, known))
    ]


def all_forgotten(context: Context, now: datetime | None = None) -> list[str]:
    """Returns the keys of what the ledger doesn't know, of all kinds.

    Args:
        context: databases and stores.
        now: with zone: as far back as a put looks then; all where it is None.

    Raises:
        PipelineError: a store can't be listed, or the ledger can't be read.
    """
    return sorted({key for kind in KINDS for key in _forgotten_keys(context, kind, now)})


def _forgotten_keys(context: Context, kind: Kind, now: datetime | None) -> set[str]:
    found = forgotten(context, kind, _months_compared(context, kind, now))
    return {one.object_key for one in found}.union(forgotten_holds(context, kind))


def refuse_if_older(context: Context, kind: Kind, now: datetime) -> None:
    """Keeps a ledger that has forgotten something from putting anything of that kind.

    Raises:
        PipelineError: ledger: it is older than the store; or a store or the ledger failed.
    """
    keys = sorted(_forgotten_keys(context, kind, now))
    if keys:
        more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
        raise ledger_error(
            f"the ledger is older than the store: it doesn't know {', '.join(keys[:MOST_NAMED])}"
            f"{more}",
            next_step="vye recover",
        )


def is_anything_ours(context: Context) -> bool:
    """Says whether a file of ours lies in the object store, or a memory of one in the snapshots."""
    return any(
        outbound_place(kind, stored.key)
        for kind in KINDS
        for stored in context.objects.list(OUTBOUND)
    ) or any(memories(context, kind.name) for kind in KINDS)


def unremembered(context: Context, now: datetime | None = None) -> int:
    """Counts the deliveries of which the snapshots have no record.

    Args:
        context: the ledger and the snapshots.
        now: as for `all_forgotten`.

    Raises:
        PipelineError: the snapshots can't be listed, or the ledger can't be read.
    """
    return sum(len(_unremembered(context, kind, now)) for kind in KINDS)


def _unremembered(context: Context, kind: Kind, now: datetime | None) -> set[date]:
    months = _months_compared(context, kind, now)
    remembered = {
        one.partition_date
        for month in months
        for one in memories(context, kind.name, month)
        if (one.state, one.revision) == (DELIVERED, 1)
    }
    receipts = context.ledger.receipt_dates(kind)
    return {day for day in receipts - remembered if str(day).startswith(tuple(months))}


def _months_compared(context: Context, kind: Kind, now: datetime | None) -> Sequence[str]:
    """Returns the months to look at, as dates begin: `2025-04`; all of them without a time.

    Before a put they are those since the newest delivery, and those with a file that is open.
    """
    if now is None:
        return EVERYTHING
    newest = context.ledger.newest_receipt_date(kind)
    first = newest or context.settings.start_date
    today = now.astimezone(NEW_YORK).date()
    open_days = {*context.ledger.unfinished_days(kind), first, today}
    open_days.update(context.settings.calendar.business_days(first, today))
    months = {f"{day:%Y-%m}" for day in open_days}
    return sorted(months) if len(months) <= MOST_MONTHS else EVERYTHING


def _span(month: str) -> tuple[date, date]:
    first = date.fromisoformat(f"{month}-01")
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def _objects(context: Context, kind: Kind, month: str, known: Known) -> Iterator[Forgotten]:
    """Yields the unknown objects of ours: what others put under other names is theirs."""
    ours = known.sent | {(day, revision) for day, revision, _ in known.tried}
    for stored in context.objects.list(f"{OUTBOUND}{month}"):
        place = outbound_place(kind, stored.key)
        if place is None or place in ours or _is_rendered(place, known):
            continue
        if not _is_disowned(context, stored.key, known):
            yield Forgotten(*place, stored.key, None)


def _is_rendered(place: tuple[date, int], known: Known) -> bool:
    """Says whether an object is compared with a rendered file before that is put."""
    return place[1] == 1 and place[0] in known.rendered


def _is_disowned(context: Context, key: str, known: Known) -> bool:
    keys = {disowned for disowned, _ in known.disowned}
    return key in keys and (key, context.fingerprint_at(key)) in known.disowned


def _memories(context: Context, kind: Kind, month: str, known: Known) -> Iterator[Forgotten]:
    for one in memories(context, kind.name, month):
        place = (one.partition_date, one.revision)
        is_tried = (*place, one.fingerprint) in known.tried
        if one.state == DISOWNED:
            continue
        if one.state == DELIVERED:
            will_be_finished = known.rendered.get(one.partition_date) == one.fingerprint
            is_known = place in known.sent or (is_tried and will_be_finished)
        else:
            is_known = is_tried
        if not is_known:
            yield Forgotten(*place, outbound_key(kind, *place), one)
