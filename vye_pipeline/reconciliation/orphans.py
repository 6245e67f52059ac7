"""What lies under inbound/ and answers to nothing we sent: kept, shown until it is explained.

The folders of the days since the business day before are looked at too, so that an acknowledgement
that BDN put under a holiday's date is found. The newest day looks at what is in no day's folder.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import chain, count

from vye_pipeline.bdn.file_names import (
    FEED_NAME,
    INBOUND,
    acknowledgement_place,
    file_name,
    inbound_prefix,
    shown,
)
from vye_pipeline.context import Context
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.reconciliation.limits import ORPHAN_BYTES
from vye_pipeline.reconciliation.timeliness import Ignored
from vye_pipeline.records import KINDS
from vye_pipeline.storage.object_store import StoredObject, is_readable

NO_FILE = "its name is that of no file of this day"
NEARLY = "its name is nearly that of an acknowledgement, but not quite"
NO_DAY = "it lies in no folder of a day that has been"
NEVER_SENT = "the file was never delivered"
NO_BUSINESS_DAY = "a feed is read on business days, and this is none"
NO_REVISION = "this revision of the file was never sent"
TOO_EARLY = "by its header BDN received it before our file was put"
IN_THE_FUTURE = "by its header BDN received it more than a day after it was read"
IGNORED = {Ignored.EARLY: TOO_EARLY, Ignored.FUTURE: IN_THE_FUTURE}
FOLDER = re.compile(rf"{INBOUND}([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/[^/]")


def find_orphans(context: Context, partition_date: date, now: datetime) -> list[Orphan]:
    """Keeps what answers to nothing, and returns it; what has been explained leaves the list.

    Args:
        context: databases and stores.
        partition_date: whose folder is looked at, and those of the days since the one before.
        now: with zone; what is in no day's folder is looked at with the newest business day.

    Raises:
        PipelineError: a store or the ledger failed.
    """
    lying = list(_of_the_day(context, partition_date))
    if partition_date == context.settings.calendar.latest_business_day(now):
        lying += [(stored, NO_DAY) for stored in _of_no_day(context, partition_date)]
    found: dict[str, Orphan] = {}
    for stored, reason in lying:
        orphan = _kept(context, partition_date, stored, reason, now)
        found[_distinct(orphan.object_key, found)] = orphan
    orphans = [replace(orphan, object_key=key) for key, orphan in found.items()]
    context.ledger.record_orphans(partition_date, orphans)
    return orphans


def _of_the_day(context: Context, partition_date: date) -> Iterator[tuple[StoredObject, str]]:
    """Yields what answers to nothing in the folders since the business day before, and why."""
    day = context.settings.calendar.business_days_after(partition_date, -1) + timedelta(days=1)
    while day <= partition_date:
        for stored in context.objects.list(inbound_prefix(day)):
            reason = _reason(context, day, stored.key)
            if reason is None and day < partition_date and _is_feed(day, stored.key):
                reason = NO_BUSINESS_DAY
            if reason is not None:
                yield stored, reason
        day += timedelta(days=1)


def _of_no_day(context: Context, newest: date) -> Iterator[StoredObject]:
    """Yields what lies in no folder of a day from the first partition to the newest one."""
    first = context.settings.calendar.business_days_after(context.settings.start_date, -1)
    for stored in context.objects.list(INBOUND):
        match = FOLDER.match(stored.key)
        if match is None or not first < _day(match[1]) <= newest:
            yield stored


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:  # as of a 31st of February
        return date.max


def _distinct(key: str, known: Container[str]) -> str:
    """Returns a key as it is shown, numbered where another object is shown by the same."""
    numbered = (f"{key} ({number})" for number in count(2))
    return next(one for one in chain([key], numbered) if one not in known)


def _reason(context: Context, day: date, key: str) -> str | None:
    """Says why a key answers to nothing, None if it answers to a file or is BDN's feed."""
    if _is_feed(day, key):
        return None
    for kind in KINDS:
        place = acknowledgement_place(kind, day, key)
        if place is None:
            continue
        if context.ledger.receipt(day, kind) is None:
            return NEVER_SENT
        if place.revision > context.ledger.revision(day, kind):
            return NO_REVISION
        ignored = context.ledger.ignored_acknowledgements(day, kind).get(key)
        return None if ignored is None else IGNORED[Ignored(ignored)]
    names = [file_name(kind, day).lower() for kind in KINDS]
    return NEARLY if any(name in key.lower() for name in [*names, FEED_NAME.lower()]) else NO_FILE


def _is_feed(day: date, key: str) -> bool:
    return key == inbound_prefix(day) + FEED_NAME


def _why_unread(stored: StoredObject) -> str | None:
    if not is_readable(stored.key):
        return "its key leads out of its folder, so it was not read"
    if stored.size > ORPHAN_BYTES:
        return f"it has {stored.size:,} bytes, which were not read"
    return None


def _kept(
    context: Context, partition_date: date, stored: StoredObject, reason: str, now: datetime
) -> Orphan:
    """Keeps the bytes, or why they were not read."""
    unread = _why_unread(stored)
    if unread is None:
        content = context.objects.get(stored.key)
    else:
        reason, content = f"{reason}; {unread}", unread.encode()
    kept = context.snapshots.keep(f"{partition_date}/orphaned_acknowledgement", content)
    return Orphan(partition_date, shown(stored.key), kept.fingerprint, kept.name, reason, now)
