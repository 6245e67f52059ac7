"""What no longer has to be kept is removed: content that is settled and old enough (retention.md).

The ledger says first that a file's content has expired, so that nothing looks for what is gone; a
removal that was interrupted is finished by the next one. Announcements and records of deliveries
hold no personal data, and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.ledger.expiry import (
    File,
    expired_files,
    files_of_profile,
    settled_files,
)

CONTENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})/"
    r"((?P<kind>[a-z_]+)/(export_ready|upload_file|acknowledgement)|feed|orphaned_acknowledgement)"
    r"\.[0-9a-f]{64}"
)


@dataclass(frozen=True)
class Expiry:
    """What a removal concerns.

    Attributes:
        files: partition date and kind of the files whose content expires with it.
        kept: those that were asked for and are needed still: something of them is open.
        snapshots: names of what is removed.
    """

    files: list[File]
    kept: list[File]
    snapshots: list[str]


def expire(context: Context, retention_days: int, now: datetime, *, is_rehearsed: bool) -> Expiry:
    """Removes the content of settled files that are old enough.

    Args:
        context: ledger and snapshots.
        retention_days: how many days a partition's content is kept at least.
        now: with zone.
        is_rehearsed: says what would be removed, and removes nothing.

    Raises:
        PipelineError: the ledger or the snapshots failed.
    """
    before = now.astimezone(NEW_YORK).date() - timedelta(days=retention_days)
    due = context.ledger.read(lambda connection: settled_files(connection, before))
    return _removed(context, due, set(), before, now, is_rehearsed=is_rehearsed)


def erase(
    context: Context,
    user_profile_id: int,
    *,
    requested_by: str,
    reason: str,
    now: datetime,
    is_rehearsed: bool,
) -> Expiry:
    """Removes the content of all settled files in which there are records of a user profile.

    What a file holds of others goes with it: of a delivered file a part can't be taken out.

    Args:
        context: ledger and snapshots.
        user_profile_id: whose records.
        requested_by: who does it.
        reason: why; no personal data.
        now: with zone.
        is_rehearsed: finds them, and removes nothing.

    Raises:
        PipelineError: the ledger or the snapshots failed.
    """
    found, settled = context.ledger.read(
        lambda connection: (
            files_of_profile(connection, user_profile_id),
            settled_files(connection),
        )
    )
    if not is_rehearsed:
        context.ledger.record_action(
            "erase",
            actor=requested_by,
            acted_at=now,
            reason=f"user profile {user_profile_id}, {len(found & settled)} files: {reason}",
        )
    kept = found - settled
    return _removed(context, found & settled, kept, date.min, now, is_rehearsed=is_rehearsed)


def _removed(
    context: Context,
    due: set[File],
    kept: set[File],
    before: date,
    now: datetime,
    *,
    is_rehearsed: bool,
) -> Expiry:
    expired = context.ledger.read(expired_files)
    if not is_rehearsed:
        context.ledger.expire(sorted(due), now)
    names = list(_content(context, due | expired, before))
    if not is_rehearsed:
        for name in names:
            context.snapshots.delete(name)
    return Expiry(sorted(due - expired), sorted(kept), names)


def _content(context: Context, files: set[File], before: date) -> Iterator[str]:
    """Yields the snapshots of some files, and what came for no file on days before one."""
    for name in context.snapshots.names(""):
        match = CONTENT.fullmatch(name)
        if match is None:
            continue
        day, kind = date.fromisoformat(match["day"]), match["kind"]
        if (day, kind) in files or (kind is None and day < before):
            yield name
