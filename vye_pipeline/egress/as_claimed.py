"""A partition's file as its claims make it now, for runs that other days' runs may have overtaken.

When a newer day is delivered first, its records replace the older day's: that day's file is taken
back (superseding.py), and has to be rendered anew before it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.egress.changes import FileChanged
from vye_pipeline.egress.deliver import (
    deliver,
    keep_upload_file,
    make_upload_file,
    upload_file_of,
)
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.ledger.models import LINE
from vye_pipeline.ledger.rows import Receipt
from vye_pipeline.records import Kind


@dataclass(frozen=True)
class Rendered:
    """A partition's file.

    Attributes:
        content: its bytes.
        fingerprint: as it is announced in the ledger.
        record_count: how many records have a line in it by the claims.
    """

    content: bytes
    fingerprint: str
    record_count: int


def render_upload_file(context: Context, partition_date: date, kind: Kind) -> Rendered:
    """Renders a partition's file from what it has claimed, keeps it and announces it.

    Raises:
        PipelineError: defect: the partition has claimed nothing, or its snapshot is lost.
    """
    while True:
        export = load_export_ready(context, partition_date, kind)
        content = make_upload_file(kind, export)
        try:
            fingerprint = keep_upload_file(context, partition_date, kind, export, content)
        except FileChanged:
            continue
        return Rendered(content, fingerprint, export.count(LINE))


def deliver_upload_file(
    context: Context, partition_date: date, kind: Kind, now: datetime
) -> Receipt:
    """Puts a partition's file, once, and returns the receipt; renders it anew where it must be.

    Raises:
        PipelineError: upload: the object store refuses it, or holds other bytes under its key;
            defect: the partition has claimed nothing, or a snapshot is lost.
    """
    while True:
        state = context.ledger.state(partition_date, kind)
        if state.file is not None and state.file.fingerprint is None:
            content = render_upload_file(context, partition_date, kind).content
        else:
            content = upload_file_of(context, state)
        try:
            return deliver(context, partition_date, kind, content, now)
        except FileChanged:
            continue
