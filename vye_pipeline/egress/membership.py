"""Which partition owns which BDN clone (vye-database.md, "Which partition a record belongs to").

VYE closes a clone by activating the next one; its owner is decided when the closing is first seen,
and recorded: from then on the ledger says what a partition reads, whatever the clone's flag says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import case, select

from vye_pipeline.business_days import cut_off
from vye_pipeline.context import Context
from vye_pipeline.egress.export import EXPORT_READY
from vye_pipeline.egress.processing import why_not_closed
from vye_pipeline.egress.unclaimed import LOOK_BACK_BUSINESS_DAYS, Source, unclaimed_records
from vye_pipeline.errors import postponed, source_error
from vye_pipeline.ledger.membership import OwnedClone
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.retries import retried
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.tables import Base

GRACE = timedelta(hours=1)
CLOCKS_APART = timedelta(minutes=5)
EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001 - VYE's timestamps have no zone


@dataclass(frozen=True)
class _Flagged:
    """A clone that is closed and has not been handed back.

    Attributes:
        bdn_clone_id: the clone.
        export_ready: its flag.
        closed_at: when VYE wrote its row, None where that can't be (UTC).
    """

    bdn_clone_id: int
    export_ready: bool
    closed_at: datetime | None


@dataclass(frozen=True)
class Closing:
    """A clone that VYE has closed.

    Attributes:
        bdn_clone_id: the clone.
        closed_at: when (with zone).
        owners: the partition that owns it by kind's name, None for none.
    """

    bdn_clone_id: int
    closed_at: datetime
    owners: dict[str, date | None]


def window_of(settings: Settings, closed_at: datetime) -> date:
    """Returns the business day in whose window a moment lies.

    A window reaches from an hour before the day's cut-off to an hour before the next one: VYE may
    activate a little early.
    """
    return settings.calendar.latest_business_day(closed_at + GRACE)


def owner_of(settings: Settings, closed_at: datetime, delivered: set[date]) -> date | None:
    """Returns the partition that owns a clone: the first that can still send its records.

    Args:
        settings: the first and the last partition.
        closed_at: when VYE closed the clone.
        delivered: partitions of the kind that are delivered.

    Returns:
        None if it was closed after the last partition.
    """
    day = max(window_of(settings, closed_at), first_partition(settings))
    while day in delivered:
        day = settings.calendar.business_days_after(day, 1)
    return None if settings.end_date and day > settings.end_date else day


def first_partition(settings: Settings) -> date:
    """Returns the first business day on or after VYE_START_DATE."""
    return settings.calendar.business_days_after(settings.start_date - timedelta(days=1), 1)


def unattached_since(settings: Settings, partition_date: date) -> datetime:
    """Returns since when a record without a user_info must have been created to count for a day."""
    ten_days_ago = settings.calendar.business_days_after(partition_date, -LOOK_BACK_BUSINESS_DAYS)
    return cut_off(max(ten_days_ago, settings.start_date))


@dataclass(frozen=True)
class ToRead:
    """The clones that a partition reads.

    Attributes:
        clone_ids: all of them.
        own: those that count as read by the partition whether or not they hold a record for it.
    """

    clone_ids: list[int]
    own: list[int]


def clones_to_read(context: Context, partition_date: date, kind: Kind, now: datetime) -> ToRead:
    """Returns the clones that may hold records for an undelivered partition.

    Those that it owns and those that it has read before; from its cut-off on also those of earlier
    partitions of the last ten business days that nobody has read, or of which a record has become
    visible since.

    Args:
        context: ledger and VYE's database.
        partition_date: the partition.
        kind: of the records.
        now: with zone.

    Raises:
        Postponed: the partition is closed: a later one has taken up its records.
        PipelineError: source: no clone starts the partition; VYE's database can't be read.
    """
    is_over = now >= cut_off(partition_date)
    mine, read = _clones_of(context, partition_date, kind, is_over=is_over)
    if context.ledger.file(partition_date, kind) is None:
        _refuse_unless_started(context, partition_date, kind, bool(mine), now)
    return _with_unclaimed(context, kind, mine, read)


def clones_to_preview(context: Context, partition_date: date, kind: Kind, now: datetime) -> ToRead:
    """Returns the clones that a partition would read at its cut-off, by what is known now.

    Beside those of `clones_to_read` they are the clones that VYE has closed since the last look,
    and its active one if this is the partition that will own it. Nothing is recorded.

    Args:
        context: ledger and VYE's database.
        partition_date: the partition, its cut-off past or the next to come.
        kind: of the records.
        now: with zone.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    closings = _unrecorded_closings(context, now)
    ahead = [
        closing.bdn_clone_id
        for closing in closings
        if (owner := closing.owners[kind.name]) and owner <= partition_date
    ]
    if next_owner(context, kind, closings, now) == partition_date:
        ahead += _active_clones(context)
    mine, read = _clones_of(context, partition_date, kind, is_over=True)
    return _with_unclaimed(context, kind, sorted({*mine, *ahead}), read)


def next_owner(
    context: Context, kind: Kind, unrecorded: Sequence[Closing], now: datetime
) -> date | None:
    """Returns the partition that will own the clone that VYE closes next.

    Args:
        context: the ledger.
        kind: of the records.
        unrecorded: closings that the ledger doesn't know yet.
        now: with zone.
    """
    calendar, window = context.settings.calendar, window_of(context.settings, now)
    known = context.ledger.last_closed_at()
    closed_at = [closing.closed_at for closing in unrecorded] + ([known] if known else [])
    is_closed = any(window_of(context.settings, moment) >= window for moment in closed_at)
    next_day = calendar.business_days_after(window, 1)
    return _owner(context, kind.name, cut_off(next_day) if is_closed else now)


def _clones_of(
    context: Context, partition_date: date, kind: Kind, *, is_over: bool
) -> tuple[list[int], list[int]]:
    """Returns a partition's clones that the ledger knows.

    Returns:
        Those that it reads; and those that earlier ones have read, of which a record may have
        become visible since.
    """
    ledger = context.ledger
    known = ledger.clones(partition_date, kind)
    own = ledger.owned_clones(kind, partition_date, partition_date)
    earlier = earlier_clones(context, kind, partition_date) if is_over else []
    unread = [clone.bdn_clone_id for clone in earlier if not clone.is_read]
    read = [clone.bdn_clone_id for clone in earlier if clone.is_read]
    return sorted({*known, *(clone.bdn_clone_id for clone in own), *unread}), read


def _with_unclaimed(context: Context, kind: Kind, mine: list[int], read: list[int]) -> ToRead:
    left = unclaimed_records(Source.of(context), context.ledger, kind, read)
    return ToRead(sorted({*mine, *left["bdn_clone_id"].tolist()}), mine)


def earlier_clones(context: Context, kind: Kind, partition_date: date) -> list[OwnedClone]:
    """Returns the clones of the partitions of the ten business days before one, oldest first."""
    first = context.settings.calendar.business_days_after(partition_date, -LOOK_BACK_BUSINESS_DAYS)
    return context.ledger.owned_clones(kind, first, partition_date - timedelta(days=1))


def _refuse_unless_started(
    context: Context, partition_date: date, kind: Kind, is_started: bool, now: datetime
) -> None:
    """Ends the run of a partition that is closed, or that no clone starts."""
    if context.ledger.is_closed(partition_date, kind):
        raise postponed(
            f"the {kind.name} of {partition_date} are closed: "
            "a later day is delivered, and has taken up its records",
            next_step="nothing",
        )
    if not is_started and now < cut_off(partition_date):
        raise postponed(
            f"{partition_date} is not over: its cut-off is {cut_off(partition_date):%H:%M %Z}",
            next_step=f"after that, vye egress {partition_date}",
        )
    if not is_started:
        why = why_not_closed(context, "VYE's import or activation did not run")
        raise source_error(
            f"no BDN clone is closed for {partition_date}: {why}",
            is_transient=True,
            next_step=f"have VYE's DawnDash jobs run, then vye egress {partition_date}",
        )


def record_closings(context: Context, now: datetime) -> None:
    """Records the clones that VYE has closed since the last look, and who owns them.

    Args:
        context: ledger, snapshots and VYE's database.
        now: with zone.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    for closing in _unrecorded_closings(context, now):
        context.ledger.record_closing(closing.bdn_clone_id, closing.closed_at, now, closing.owners)


def _unrecorded_closings(context: Context, now: datetime) -> list[Closing]:
    """Returns the clones that VYE has closed since the last look, and who is to own them.

    A clone at false counts as one at true, since only this pipeline sets it. A pipeline that has
    never read anything can't have: what it finds at false is others' business, and nobody's.
    """
    known = context.ledger.closed_clones()
    unknown = [clone for clone in _flagged(context, now) if clone.bdn_clone_id not in known]
    is_first_look = not known and not all(clone.export_ready for clone in unknown)
    is_new = is_first_look and _has_never_read(context)
    closings = []
    for clone in unknown:
        closed_at = clone.closed_at or now
        owners: dict[str, date | None] = dict.fromkeys((kind.name for kind in KINDS), None)
        if clone.export_ready or not is_new:
            owners = {kind: _owner(context, kind, closed_at) for kind in owners}
        closings.append(Closing(clone.bdn_clone_id, closed_at, owners))
    return closings


def _owner(context: Context, kind: str, closed_at: datetime) -> date | None:
    delivered = context.ledger.delivered_days(kind, window_of(context.settings, closed_at))
    return owner_of(context.settings, closed_at, delivered)


@retried
def _flagged(context: Context, now: datetime) -> list[_Flagged]:
    clones = Base.metadata.tables["vye_bdn_clones"]
    latest = (now + CLOCKS_APART).astimezone(UTC).replace(tzinfo=None)
    updated_at = case((clones.c.updated_at.between(EARLIEST, latest), clones.c.updated_at))
    query = (
        select(clones.c.id, clones.c.export_ready, updated_at)
        .where(clones.c.export_ready.is_not(None), clones.c.is_active.is_(None))
        .order_by(clones.c.id)
    )
    with context.vye.errors(), context.vye_engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        _Flagged(clone, flag, moment.replace(tzinfo=UTC) if moment else None)
        for clone, flag, moment in rows
    ]


@retried
def _active_clones(context: Context) -> list[int]:
    clones = Base.metadata.tables["vye_bdn_clones"]
    query = select(clones.c.id).where(clones.c.is_active.is_(True))
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return list(connection.scalars(query))


def _has_never_read(context: Context) -> bool:
    """Says whether there is no snapshot either of anything that a lost ledger would know."""
    return not context.snapshots.has_any(EXPORT_READY)
