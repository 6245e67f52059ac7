"""A night's feed: its bytes are kept, it is read, and set against what has no answer yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from vye_pipeline.bdn.file_names import FEED_NAME, inbound_prefix
from vye_pipeline.bdn.wave_feed import WaveFeed, parse_feed
from vye_pipeline.context import Context
from vye_pipeline.egress.deliver import load_upload_file
from vye_pipeline.errors import source_error
from vye_pipeline.reconciliation.evidence import evidence
from vye_pipeline.reconciliation.limits import FEED_BYTES
from vye_pipeline.records import kind_named
from vye_pipeline.records.statuses import CONFIRMED, Status
from vye_pipeline.storage.object_store import ObjectMissing

UNANSWERED = (Status.PENDING, Status.MISSING)


@dataclass(frozen=True)
class FeedOutcome:
    """What became of a feed.

    Attributes:
        line_count: lines read, without the unreadable.
        unreadable: line_number and field of each line that can't be read.
        confirmed_count: records that it confirms.
        contradicted_count: records that it contradicts.
    """

    line_count: int
    unreadable: pd.DataFrame
    confirmed_count: int
    contradicted_count: int


def take_feed(context: Context, feed_date: date, now: datetime) -> FeedOutcome | None:
    """Reads the feed of a day, and keeps what it says of older records without an answer.

    Args:
        context: databases and stores.
        feed_date: whose folder it lies in.
        now: with zone.

    Returns:
        What became of it, None where there is none yet: a normal state.

    Raises:
        PipelineError: it is incomplete or too large (nothing of it is recorded), or a store or the
            ledger failed.
    """
    key = inbound_prefix(feed_date) + FEED_NAME
    _refuse_too_large(context, key)
    try:
        content = context.objects.get(key)
    except ObjectMissing:
        return None
    kept = context.snapshots.keep(f"{feed_date}/feed", content)
    feed = parse_feed(content, place=key)
    context.ledger.record_feed(
        feed_date=feed_date,
        fingerprint=kept.fingerprint,
        snapshot_name=kept.name,
        line_count=len(feed.lines),
        unreadable_count=len(feed.unreadable),
        read_at=now,
    )
    said = _evidence(context, feed_date, feed)
    context.ledger.record_evidence(said, feed_date, now)
    confirmed = int((said["evidence"] == CONFIRMED).sum())
    return FeedOutcome(len(feed.lines), feed.unreadable, confirmed, len(said) - confirmed)


def _refuse_too_large(context: Context, key: str) -> None:
    size = max((one.size for one in context.objects.list(key) if one.key == key), default=0)
    if size > FEED_BYTES:
        raise source_error(
            f"{key} has {size:,} bytes, a feed at most {FEED_BYTES:,}: it isn't read",
            is_transient=False,
            next_step="ask BDN what it put there",
        )


def _evidence(context: Context, feed_date: date, feed: WaveFeed) -> pd.DataFrame:
    """Returns kind, record_id, evidence, fields of all unanswered records that it speaks of.

    A feed of the day of a delivery was made before BDN had the file, and says nothing of it.
    """
    parts = [pd.DataFrame({"kind": pd.Series(dtype="str"), "record_id": pd.Series(dtype="int64")})]
    unanswered = context.ledger.unanswered(feed_date, [str(status) for status in UNANSWERED])
    for (day, name), rows in unanswered.groupby(["partition_date", "kind"]):
        kind, partition_date = kind_named(str(name)), date.fromisoformat(str(day))
        sent = load_upload_file(context, partition_date, kind)
        said = evidence(kind, sent, feed.lines)
        mine = rows[["kind", "record_id", "line_number"]].merge(said, on="line_number")
        parts.append(mine.drop(columns="line_number"))
    return pd.concat(parts, ignore_index=True).reindex(
        columns=["kind", "record_id", "evidence", "fields"]
    )
