"""A day's egress without its consequences: read, decrypted, checked, rendered, counted.

Nothing is claimed, kept or put, and no flag is touched (docs/production.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.egress.claim import read_export_ready
from vye_pipeline.egress.deliver import make_upload_file
from vye_pipeline.egress.export import KNOWN_COLUMNS, ExportReady, kept_columns
from vye_pipeline.egress.membership import record_closings
from vye_pipeline.ledger.models import LINE, QUARANTINED, REPLACED
from vye_pipeline.records import Kind
from vye_pipeline.records.rules import in_words


@dataclass(frozen=True)
class DryRun:
    """What a run would do with a kind of a day. Counts and codes only.

    Attributes:
        kind: of the records.
        is_delivered: whether the day is frozen: then it was not read.
        lines: records that would go out.
        quarantined: records that break a rule.
        replaced: records that a newer one replaces.
        bytes: of the file.
        reasons: how many records each fault quarantines, in words.
    """

    kind: str
    is_delivered: bool
    lines: int = 0
    quarantined: int = 0
    replaced: int = 0
    bytes: int = 0
    reasons: tuple[tuple[str, int], ...] = ()


def dry_run(context: Context, partition_date: date, kind: Kind, now: datetime) -> DryRun:
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
        return DryRun(kind.name, is_delivered=True)
    record_closings(context, now)
    file = context.ledger.file(partition_date, kind)
    reading = read_export_ready(context, partition_date, kind, file, now)
    export = ExportReady(
        reading.checked.records[kept_columns(kind)],
        reading.claims[KNOWN_COLUMNS],
        claims_version=0,
        is_frozen=False,
    )
    faults = reading.findings[reading.findings["is_quarantining"]]
    words = [
        in_words(str(code), str(field))
        for code, field in zip(faults["code"], faults["field"], strict=True)
    ]
    return DryRun(
        kind.name,
        is_delivered=False,
        lines=export.count(LINE),
        quarantined=export.count(QUARANTINED),
        replaced=export.count(REPLACED),
        bytes=len(make_upload_file(kind, export)),
        reasons=tuple(sorted(Counter(words).items())),
    )
