"""When a day runs (vye-database.md, "When D runs"): what the schedule starts, and what must wait.

A day reads and claims as soon as a clone of its own is closed, also before its cut-off. It is put
from its cut-off on: once a clone closed in its own window has been read; without one, four hours
later, or when a newer day's cut-off has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from vye_pipeline.business_days import NEW_YORK, cut_off
from vye_pipeline.context import Context
from vye_pipeline.egress.membership import first_partition, window_of
from vye_pipeline.egress.unclaimed import LOOK_BACK_BUSINESS_DAYS
from vye_pipeline.errors import postponed
from vye_pipeline.ledger.membership import OwnedClone, open_days
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.settings import Settings

WITHOUT_A_CLONE = timedelta(hours=4)


@dataclass(frozen=True)
class Due:
    """A day that is to run now.

    Attributes:
        partition_date: the day.
        kinds: names of the kinds that are to run.
        is_to_be_put: whether its files go out; if not, its records are only read and claimed.
        clone_ids: clones that are closed and that the day is the first to read.
    """

    partition_date: date
    kinds: tuple[str, ...]
    is_to_be_put: bool
    clone_ids: tuple[int, ...]

    @property
    def reason(self) -> str:
        """Why it runs, in words."""
        clones = ", ".join(map(str, self.clone_ids))
        read = f"VYE has closed clone {clones}" if clones else "its records are claimed"
        return f"{read}; {'its files go out' if self.is_to_be_put else 'its cut-off is to come'}"


def due_days(context: Context, now: datetime) -> list[Due]:
    """Returns the days that are to run now, oldest first, as the ledger knows them.

    A day that has failed is tried again in the morning, and not here, unless VYE has closed a
    clone for it since.

    Args:
        context: the ledger; `record_closings` tells it what VYE has closed.
        now: with zone.

    Raises:
        PipelineError: the ledger can't be read.
    """
    by_kind = context.ledger.read(
        lambda connection: [
            one for kind in KINDS for one in _due(connection, context.settings, kind, now)
        ]
    )
    return _over_all_kinds(by_kind)


def refuse_before_its_time(
    context: Context, partition_date: date, kind: Kind, now: datetime
) -> None:
    """Ends the step of a day whose file must not be put yet.

    Args:
        context: the ledger.
        partition_date: the day.
        kind: of the file.
        now: with zone.

    Raises:
        Postponed: it is too early.
    """
    owned = context.ledger.owned_clones(kind, partition_date, partition_date)
    read = [clone for clone in owned if clone.is_read]
    goes_out_at = put_from(context.settings, partition_date, read, now)
    if now < goes_out_at:
        raise postponed(
            f"the {kind.name} of {partition_date} are claimed, and go out from "
            f"{goes_out_at.astimezone(NEW_YORK):%H:%M %Z} on"
            + ("" if goes_out_at == cut_off(partition_date) else ", or once VYE has activated"),
            next_step=f"wait; the daemon sends them, or vye egress {partition_date}",
        )


def put_from(
    settings: Settings, partition_date: date, owned: Iterable[OwnedClone], now: datetime
) -> datetime:
    """Returns from when on a day's file may be put, as it is known now.

    Args:
        settings: the calendar.
        partition_date: the day.
        owned: its clones that have been read, or will have been.
        now: with zone.
    """
    has_own = any(window_of(settings, clone.closed_at) == partition_date for clone in owned)
    is_past = settings.calendar.latest_business_day(now) > partition_date
    return cut_off(partition_date) + (timedelta() if has_own or is_past else WITHOUT_A_CLONE)


def _due(connection: Connection, settings: Settings, kind: Kind, now: datetime) -> Iterator[Due]:
    """Yields the days of one kind that are to run now, oldest first."""
    newest = settings.calendar.latest_business_day(now)
    since = settings.calendar.business_days_after(newest, -LOOK_BACK_BUSINESS_DAYS)
    days = open_days(connection, kind.name, since)
    last = min(now.astimezone(NEW_YORK).date(), settings.end_date or date.max)
    unread = {clone for clone in days.clones if not clone.is_read}
    owners = {clone.partition_date for clone in unread}
    candidates = {newest, *days.claimed, *owners} - days.delivered
    for day in sorted(day for day in candidates if first_partition(settings) <= day <= last):
        own = [clone for clone in days.clones if clone.partition_date == day]
        fresh = {clone for clone in own if clone in unread}
        is_put, is_started = now >= put_from(settings, day, own, now), bool(fresh)
        if day not in days.failed:
            is_started |= day in days.claimed
            if day == newest:  # takes up what was left by earlier days that don't run any more
                fresh |= {clone for clone in unread if since <= clone.partition_date < day}
        if (is_started or fresh) and (is_put or fresh & set(own)):
            unread -= fresh
            yield Due(day, (kind.name,), is_put, tuple(sorted(c.bdn_clone_id for c in fresh)))


def _over_all_kinds(days: Iterable[Due]) -> list[Due]:
    """Joins what kinds of the same day are to do at once."""
    found = []
    in_order = sorted(days, key=lambda one: (one.partition_date, one.is_to_be_put))
    for _, group in groupby(in_order, key=lambda one: (one.partition_date, one.is_to_be_put)):
        same = list(group)
        clone_ids = sorted({clone for one in same for clone in one.clone_ids})
        kinds = tuple(kind for one in same for kind in one.kinds)
        found.append(replace(same[0], kinds=kinds, clone_ids=tuple(clone_ids)))
    return found
