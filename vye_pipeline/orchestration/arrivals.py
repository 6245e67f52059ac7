"""What lies in the inbound folders, a fingerprint a day: a new or replaced file changes it.

The folders of days that can still change are looked at each minute; all of them once a day, for
what arrives years later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby

import dagster as dg

from vye_pipeline.bdn.file_names import INBOUND, inbound_prefix
from vye_pipeline.business_days import NEW_YORK, BusinessCalendar
from vye_pipeline.context import Context
from vye_pipeline.storage.object_store import StoredObject

DAY = re.compile(rf"{INBOUND}(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/")
RECENT_BUSINESS_DAYS = 10
LOOKED_BACK = timedelta(days=92)  # older days wait for the daily pass
UNSETTLED_DAYS = 20  # so do more than these


def days_that_can_change(context: Context, now: datetime) -> list[date]:
    """Returns the days of whose folders anything new is to be expected, oldest first.

    These are the last business days, the days without business since, and the newest days of the
    last quarter that aren't settled.

    Raises:
        PipelineError: the ledger can't be read.
    """
    from vye_pipeline.ledger.open_work import unsettled_days

    today = now.astimezone(NEW_YORK).date()
    first = context.settings.calendar.business_days_after(today, -RECENT_BUSINESS_DAYS)
    recent = {date.fromordinal(n) for n in range(first.toordinal(), today.toordinal() + 1)}
    unsettled = context.ledger.read(partial(unsettled_days, since=today - LOOKED_BACK))
    return sorted(recent.union(unsettled[-UNSETTLED_DAYS:]))


def listing_of(context: Context, days: Sequence[date]) -> list[StoredObject]:
    """Returns what lies in the inbound folders of some days, by key.

    Raises:
        PipelineError: the object store failed.
    """
    return [one for day in days for one in context.objects.list(inbound_prefix(day))]


def arrivals(
    listing: Iterable[StoredObject], fingerprint: Callable[[bytes], str]
) -> dict[str, str]:
    """Returns a fingerprint of keys and ETags for each partition with anything in its folder.

    Args:
        listing: of all inbound folders, sorted by key.
        fingerprint: keyed, for an ETag may be a digest of the content.
    """
    return {
        day: fingerprint(repr([(one.key, one.etag) for one in objects]).encode())
        for day, objects in groupby(_of_a_day(listing), _day)
    }


def days_with_unknown(listing: Iterable[StoredObject], known: Container[str]) -> set[str]:
    """Returns the partitions with an object whose key is not known yet."""
    return {_day(one) for one in _of_a_day(listing) if one.key not in known}


def partition_of(
    day: str, partitions: dg.TimeWindowPartitionsDefinition, calendar: BusinessCalendar
) -> str | None:
    """Returns the partition that reads a day's folder, None while there is none yet.

    What lies in the folder of a Saturday or holiday is looked at by the next business day; a feed
    that arrives the evening before its date is read on its date.
    """
    try:
        own = date.fromisoformat(day)
    except ValueError:  # it looks like a date
        return None
    if not calendar.is_business_day(own) and not partitions.has_partition_key(day):
        day = calendar.business_days_after(own, 1).isoformat()
    return day if partitions.has_partition_key(day) else None


def _of_a_day(listing: Iterable[StoredObject]) -> Iterable[StoredObject]:
    return (one for one in listing if DAY.match(one.key))


def _day(stored: StoredObject) -> str:
    match = DAY.match(stored.key)
    return match["day"] if match else ""
