"""Acknowledgements that answer to nothing we sent: kept, and shown until they are explained.

The folders of the days since the business day before are looked at too, so that one that BDN put
under a holiday's date is found.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from vye_pipeline.bdn.file_names import FEED_NAME, acknowledgement_place, inbound_prefix
from vye_pipeline.context import Context
from vye_pipeline.ledger.rows import Orphan
from vye_pipeline.records import KINDS

NO_FILE = "its name is that of no file of this day"
NEVER_SENT = "the file was never delivered"
NO_BUSINESS_DAY = "a feed is read on business days, and this is none"
NO_REVISION = "this revision of the file was never sent"


def find_orphans(context: Context, partition_date: date, now: datetime) -> list[Orphan]:
    """Keeps what answers to nothing, and returns it; what has been explained leaves the list.

    Args:
        context: databases and stores.
        partition_date: whose folder is looked at, and those of the days since the one before.
        now: with zone.

    Raises:
        PipelineError: a store or the ledger failed.
    """
    day = context.settings.calendar.business_days_after(partition_date, -1) + timedelta(days=1)
    found = []
    while day <= partition_date:
        for stored in context.objects.list(inbound_prefix(day)):
            reason = _reason(context, day, stored.key)
            if reason is None and day < partition_date and _is_feed(day, stored.key):
                reason = NO_BUSINESS_DAY
            if reason is not None:
                found.append(_kept(context, partition_date, stored.key, reason, now))
        day += timedelta(days=1)
    context.ledger.record_orphans(partition_date, found)
    return found


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
        return NO_REVISION if place.revision > context.ledger.revision(day, kind) else None
    return NO_FILE


def _is_feed(day: date, key: str) -> bool:
    return key == inbound_prefix(day) + FEED_NAME


def _kept(context: Context, partition_date: date, key: str, reason: str, now: datetime) -> Orphan:
    kept = context.snapshots.keep(
        f"{partition_date}/orphaned_acknowledgement", context.objects.get(key)
    )
    return Orphan(partition_date, key, kept.fingerprint, kept.name, reason, now)
