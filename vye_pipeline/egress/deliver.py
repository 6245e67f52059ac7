"""A partition's file: rendered, announced, put once, recorded.

The order of writes is what makes each step repeatable after a crash at any point: the fingerprint
before the put, the receipt after it. Where a process died between put and receipt, the next one
finds the object with the fingerprint that the ledger expects, and writes the receipt.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.egress.changes import FileChanged
from vye_pipeline.egress.clone_flags import settle_clones
from vye_pipeline.egress.due import refuse_before_its_time
from vye_pipeline.egress.export import ExportReady, egress_command, load_export_ready
from vye_pipeline.egress.gap import refuse_gap
from vye_pipeline.egress.handed_over import refuse_while_handed_over
from vye_pipeline.egress.interrupted import finish_interrupted
from vye_pipeline.egress.memory import memory_of, record_of
from vye_pipeline.egress.put import put_file
from vye_pipeline.errors import PipelineError, source_error
from vye_pipeline.ledger.models import LINE
from vye_pipeline.ledger.rows import FileRow, FileState, Receipt
from vye_pipeline.records import Kind, kind_named
from vye_pipeline.records.layout import render


def make_upload_file(kind: Kind, export: ExportReady) -> bytes:
    """Renders the file of a partition: one line per record that is to be sent, by user_info_id."""
    lines = export.claims.loc[export.claims["disposition"] == LINE].sort_values("line_number")
    return render(kind, export.records.set_index("record_id").loc[lines["record_id"]])


def keep_upload_file(
    context: Context, partition_date: date, kind: Kind, export: ExportReady, content: bytes
) -> str:
    """Stores a rendered file as a snapshot, announces its fingerprint and returns it.

    A delivered file is not announced again.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        export: the records that it was rendered from.
        content: the file.

    Raises:
        PipelineError: source: the records have changed since, and make another file now.
    """
    fingerprint = context.snapshots.fingerprint(content)
    if not export.is_frozen:
        context.snapshots.put(_upload_name(partition_date, kind, fingerprint), content)
        while not context.ledger.announce(
            partition_date,
            kind,
            export.claims_version,
            fingerprint=fingerprint,
            byte_count=len(content),
            line_count=content.count(b"\n"),
        ):
            export = _read_again(context, partition_date, kind, content)
    return fingerprint


def _read_again(context: Context, partition_date: date, kind: Kind, content: bytes) -> ExportReady:
    """Returns a partition's records as they are claimed now, if they still make the same file.

    Another run may have claimed the same records meanwhile. If it has claimed others, or a later
    day's delivery has overtaken some, then the file must not be sent.
    """
    export = load_export_ready(context, partition_date, kind)
    if make_upload_file(kind, export) != content:
        raise FileChanged(partition_date, kind)
    return export


def load_upload_file(context: Context, partition_date: date, kind: Kind) -> bytes:
    """Returns the bytes of a partition's file as they were rendered last (`upload_file_of`)."""
    return upload_file_of(context, context.ledger.state(partition_date, kind))


def upload_file_of(context: Context, state: FileState) -> bytes:
    """Returns the bytes of a file as they were rendered last.

    Raises:
        PipelineError: source: it is not rendered, or the records have changed since (a later day's
            delivery has overtaken some, or they were claimed again), or its content has expired;
            defect: its snapshot is lost.
    """
    state.require_content()
    kind = kind_named(state.kind)
    if state.file is None or state.file.fingerprint is None:
        raise source_error(
            f"the {kind.name} of {state.partition_date} are not rendered, or have changed since",
            is_transient=False,
            next_step=egress_command(state.partition_date, kind),
        )
    name = _upload_name(state.partition_date, kind, state.file.fingerprint)
    return context.snapshots.get(name)


def deliver(
    context: Context, partition_date: date, kind: Kind, content: bytes, now: datetime
) -> Receipt:
    """Puts a partition's file, once, and returns the receipt; of a delivered one, the same again.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        content: the file.
        now: with zone.

    Raises:
        Postponed: it is too early.
        PipelineError: upload: the object store refuses it, or holds other bytes under its key, or a
            file of the kind is being handed over; source: the records have changed since the file
            was rendered, or one rule catches too many of them; ledger: it is older than the store;
            storage: the snapshots failed.
    """
    with context.ledger.exclusive(kind):
        for rendered in context.ledger.rendered_files(kind):
            finish_interrupted(context, kind, rendered, now)
        receipt = context.ledger.receipt(partition_date, kind)
        if receipt is None:
            refuse_while_handed_over(context, kind)
            refuse_before_its_time(context, partition_date, kind, now)
            refuse_gap(context, partition_date, kind)
            context.ledger.hold_back(partition_date, kind)
            file = _file_to_deliver(context, partition_date, kind, content)
            put_file(
                context,
                kind,
                content,
                file=memory_of(file),
                announcement=context.ledger.to_remember(partition_date, kind),
                record=record_of(file.receipt(now)),
                now=now,
            )
            receipt = context.ledger.deliver(file, kind, now)
    with suppress(PipelineError):  # it is delivered; every later run decides the flag anew
        settle_clones(context, now)
    return receipt


def _file_to_deliver(context: Context, partition_date: date, kind: Kind, content: bytes) -> FileRow:
    """Returns the ledger's row of a file that is announced; if it isn't yet, announces it.

    What is announced is what the claims make: it is taken back where they change.
    """
    announced = context.ledger.file(partition_date, kind)
    if announced is not None and announced.fingerprint == context.snapshots.fingerprint(content):
        return announced
    export = _read_again(context, partition_date, kind, content)
    keep_upload_file(context, partition_date, kind, export, content)
    return _file_to_deliver(context, partition_date, kind, content)


def _upload_name(partition_date: date, kind: Kind, fingerprint: str) -> str:
    return f"{partition_date}/{kind.name}/upload_file.{fingerprint}"
