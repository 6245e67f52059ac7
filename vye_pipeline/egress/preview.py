"""What would go out, without its consequences: read, decrypted, checked, rendered, counted.

Nothing is claimed, kept or put, and no flag is touched (docs/production.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd

from vye_pipeline.context import Context
from vye_pipeline.egress.claim import Reading, read_export_ready
from vye_pipeline.egress.deliver import make_upload_file
from vye_pipeline.egress.export import KNOWN_COLUMNS, ExportReady, kept_columns
from vye_pipeline.egress.membership import (
    ToRead,
    clones_to_preview,
    clones_to_read,
    record_closings,
    window_of,
)
from vye_pipeline.ledger.models import HELD, LINE, QUARANTINED, REPLACED, SUPERSEDED
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.rules import in_words

DELIVERED, CLOSED, OPEN = "delivered", "closed", "open"
COUNTED = (LINE, QUARANTINED, HELD, SUPERSEDED, REPLACED)


@dataclass(frozen=True)
class Preview:
    """What would go out of a kind of a day. Counts and codes only.

    Attributes:
        kind: of the records.
        delivery: delivered or closed: then nothing was read; open otherwise.
        counts: records by what would become of them, one of COUNTED.
        bytes: of the file.
        reasons: how many records each fault quarantines, in words.
    """

    kind: str
    delivery: str
    counts: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many records would go out."""
        return self.counts.get(LINE, 0)

    @property
    def unsent(self) -> dict[str, int]:
        """How many would not, by what would become of them."""
        return {name: self.counts.get(name, 0) for name in COUNTED if name != LINE}

    @property
    def export_ready(self) -> int:
        """The day's records, without the replaced."""
        return sum(self.counts.values()) - self.counts.get(REPLACED, 0)


def dry_run(context: Context, partition_date: date, kind: Kind, now: datetime) -> Preview:
    """Says what a run of a kind would do now.

    Args:
        context: databases and stores; of the ledger at most a clone's closing is recorded.
        partition_date: of the partition.
        kind: of the records.
        now: with zone.

    Raises:
        PipelineError: what would fail the run.
    """
    if context.ledger.receipt(partition_date, kind) is not None:
        return Preview(kind.name, DELIVERED)
    record_closings(context, now)
    to_read = clones_to_read(context, partition_date, kind, now)
    return _preview(context, partition_date, kind, to_read, now)


def preview(context: Context, partition_date: date, kind: Kind, now: datetime) -> Preview:
    """Says what would go out of a kind at a day's cut-off, if VYE changed nothing until then.

    Args:
        context: databases and stores; nothing is written.
        partition_date: a business day up to the next one.
        kind: of the records.
        now: with zone.

    Raises:
        PipelineError: source: what a run would read can't be read.
    """
    if context.ledger.receipt(partition_date, kind) is not None:
        return Preview(kind.name, DELIVERED)
    if context.ledger.is_closed(partition_date, kind):
        return Preview(kind.name, CLOSED)
    to_read = clones_to_preview(context, partition_date, kind, now)
    return _preview(context, partition_date, kind, to_read, now)


def next_day(context: Context, now: datetime) -> date:
    """Returns the day that goes out next: the newest one until it is delivered, then the next.

    After VYE_END_DATE there is no next one.

    Args:
        context: the ledger.
        now: with zone.

    Raises:
        PipelineError: the ledger can't be read.
    """
    settings = context.settings
    newest = window_of(settings, now)
    is_over = newest < settings.start_date or all(
        context.ledger.receipt(newest, kind) or context.ledger.is_closed(newest, kind)
        for kind in KINDS
    )
    following = settings.calendar.business_days_after(newest, 1)
    has_ended = settings.end_date is not None and following > settings.end_date
    return following if is_over and not has_ended else newest


def _preview(
    context: Context, partition_date: date, kind: Kind, to_read: ToRead, now: datetime
) -> Preview:
    file = context.ledger.file(partition_date, kind)
    reading = read_export_ready(context, partition_date, kind, file, to_read)
    export = ExportReady(
        reading.checked.records[kept_columns(kind)],
        _without_overtaken(context, partition_date, kind, reading.claims, now)[KNOWN_COLUMNS],
        claims_version=0,
        is_frozen=False,
    )
    return Preview(
        kind.name,
        OPEN,
        counts={name: export.count(name) for name in COUNTED},
        bytes=len(make_upload_file(kind, export)),
        reasons=_reasons(reading),
    )


def _reasons(reading: Reading) -> dict[str, int]:
    faults = reading.findings[reading.findings["is_quarantining"]]
    words = [
        in_words(str(code), str(name))
        for code, name in zip(faults["code"], faults["field"], strict=True)
    ]
    return dict(sorted(Counter(words).items()))


def _without_overtaken(
    context: Context, partition_date: date, kind: Kind, claims: pd.DataFrame, now: datetime
) -> pd.DataFrame:
    """Marks the lines that the claim would find overtaken (ledger/supersession.py).

    Args:
        context: the ledger.
        partition_date: of the claims.
        kind: of the records.
        claims: as `read_export_ready` returns them.
        now: a clone that is open yet will be closed after it (with zone).
    """
    clone_ids = claims["bdn_clone_id"].dropna().unique().tolist()
    known = context.ledger.closed_at(clone_ids)
    closed_at = {clone: known.get(clone, now) for clone in clone_ids}
    if not closed_at:
        return claims
    lines = claims[(claims["disposition"] == LINE) & claims["user_profile_id"].notna()]
    lines = _timed(lines.assign(closed_at=lines["bdn_clone_id"].map(closed_at)))
    oldest = min(closed_at.values())
    delivered = _timed(context.ledger.delivered_lines(kind, oldest, partition_date))
    overtaken = {
        *_overtaken(kind, lines, lines, same_file=True),
        *_overtaken(kind, lines, delivered, same_file=False),
    }
    is_overtaken = claims["record_id"].isin(overtaken)
    return claims.assign(disposition=claims["disposition"].mask(is_overtaken, SUPERSEDED))


def _timed(lines: pd.DataFrame) -> pd.DataFrame:
    """Returns what tells which of two lines is the newer one, of one type wherever it was read."""
    times = {
        name: pd.to_datetime(lines[name], utc=True)
        for name in ("closed_at", "created_at", "transact_date")
    }
    return lines[["record_id", "user_profile_id"]].assign(**times)


def _overtaken(
    kind: Kind, lines: pd.DataFrame, newer: pd.DataFrame, *, same_file: bool
) -> list[int]:
    """Returns the ids of lines that a newer change of the same user profile overtakes."""
    pairs = lines.merge(newer, on="user_profile_id", suffixes=("", "_of_newer"))
    is_newer = pairs["closed_at_of_newer"] > pairs["closed_at"]
    if not same_file:
        is_later = pairs["created_at_of_newer"] > pairs["created_at"]
        is_next = pairs["record_id_of_newer"] > pairs["record_id"]
        is_next &= pairs["created_at_of_newer"] == pairs["created_at"]
        is_newer |= (pairs["closed_at_of_newer"] == pairs["closed_at"]) & (is_later | is_next)
    if kind.is_dated:
        is_newer &= pairs["transact_date_of_newer"] >= pairs["transact_date"]
    return pairs.loc[is_newer, "record_id"].tolist()
