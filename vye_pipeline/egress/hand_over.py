"""A file carried to BDN by a person: begun, then confirmed or withdrawn.

Beginning one writes the day's exact file. Until it is confirmed or withdrawn no other file of its
kind is sent (handed_over.py). Confirmed, it is the day's delivery; withdrawn, the next run puts it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress import memory
from vye_pipeline.egress.as_claimed import render_upload_file
from vye_pipeline.egress.claim import take_export_ready
from vye_pipeline.egress.clone_flags import settle_clones
from vye_pipeline.egress.comparison import refuse_if_older
from vye_pipeline.egress.deliver import load_upload_file
from vye_pipeline.egress.due import refuse_before_its_time
from vye_pipeline.egress.gap import refuse_gap
from vye_pipeline.egress.handed_over import refuse_while_handed_over
from vye_pipeline.egress.interrupted import finish_interrupted
from vye_pipeline.egress.memory import Rows, announce, memory_of, record_of, remember
from vye_pipeline.egress.outside import Written, receivers_keys, write_files
from vye_pipeline.egress.put import try_row
from vye_pipeline.errors import Cause, PipelineError, UsageError, upload_error
from vye_pipeline.ledger.models import HAND_OVERS, REFUSED, TRIES
from vye_pipeline.ledger.rows import FileRow, HandOver, Receipt
from vye_pipeline.records import Kind


def begin(
    context: Context,
    partition_date: date,
    kind: Kind,
    folder: Path,
    *,
    recipient: Path | None,
    begun_by: str,
    now: datetime,
) -> Written:
    """Writes a day's file for a transfer outside the store; begun again, it writes the same.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        folder: where to; made if need be.
        recipient: a file with the receiver's public keys, one a line (age or SSH); None writes
            the file in the clear.
        begun_by: who does it.
        now: with zone.

    Raises:
        UsageError: the file is delivered, or a key can't be used.
        Postponed: it is too early.
        PipelineError: as a run that would put it; upload: a put of it may have arrived, and the
            store can't say.
    """
    keys = [] if recipient is None else receivers_keys(recipient)
    if _begun(context, partition_date, kind) is None:
        _claim(context, partition_date, kind, now)
        _refuse_delivered(context, partition_date, kind)
        refuse_before_its_time(context, partition_date, kind, now)
    with context.ledger.exclusive(kind):
        begun = _begun(context, partition_date, kind)
        if begun is None:
            _prepare(context, partition_date, kind, now)
        content = load_upload_file(context, partition_date, kind)
        file = _file(context, partition_date, kind)
        if begun is None:
            begun = context.ledger.begin_hand_over(file, kind, begun_by=begun_by, begun_at=now)
        announce(context, memory_of(file), _rows(context, file, begun, kind))
    return write_files(file, kind, content, folder, keys)


def confirm(
    context: Context, partition_date: date, kind: Kind, *, note: str, done_by: str, now: datetime
) -> Receipt:
    """Makes a hand-over the day's delivery.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        note: who took it, and when; no personal data.
        done_by: who says so.
        now: with zone.

    Raises:
        UsageError: it is not being handed over, or is delivered.
        PipelineError: source: it is not the file that was handed over (any more); the ledger or
            the snapshots failed.
    """
    with context.ledger.exclusive(kind):
        begun = _begun_or_refuse(context, partition_date, kind)
        file = _file(context, partition_date, kind)
        receipt = context.ledger.confirm_hand_over(
            begun, file, kind, note=note, done_by=done_by, now=now
        )
        remember_confirmed(context, file, kind, receipt)
    settle_clones(context, now)
    return receipt


def withdraw(
    context: Context, partition_date: date, kind: Kind, *, note: str, done_by: str, now: datetime
) -> None:
    """Ends a hand-over that BDN has not got: the next run may put the file.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        note: why; no personal data.
        done_by: who says so.
        now: with zone.

    Raises:
        UsageError: it is not being handed over, or is delivered.
        PipelineError: the ledger or the snapshots failed.
    """
    with context.ledger.exclusive(kind):
        begun = _begun_or_refuse(context, partition_date, kind)
        file = _file(context, partition_date, kind)
        context.ledger.withdraw_hand_over(begun, note=note, done_by=done_by, now=now)
        rows = {HAND_OVERS.name: context.ledger.hand_over_rows(partition_date, kind)}
        remember(context, replace(memory_of(file), state=memory.REFUSED), rows)


def remember_confirmed(context: Context, file: FileRow, kind: Kind, receipt: Receipt) -> None:
    """Stores the record of a confirmed hand-over with the snapshots."""
    rows = {HAND_OVERS.name: context.ledger.hand_over_rows(receipt.partition_date, kind)}
    remember(
        context, replace(memory_of(file), state=memory.DELIVERED), {**record_of(receipt), **rows}
    )


def _begun(context: Context, partition_date: date, kind: Kind) -> HandOver | None:
    begun = context.ledger.open_hand_over(kind)
    return begun if begun is not None and begun.partition_date == partition_date else None


def _begun_or_refuse(context: Context, partition_date: date, kind: Kind) -> HandOver:
    begun = _begun(context, partition_date, kind)
    if begun is None:
        _refuse_delivered(context, partition_date, kind)
        raise UsageError(
            f"the {kind.name} of {partition_date} are not being handed over: begin with "
            f"vye hand-over {partition_date} --kind {kind.name} --to FOLDER"
        )
    return begun


def _refuse_delivered(context: Context, partition_date: date, kind: Kind) -> None:
    receipt = context.ledger.receipt(partition_date, kind)
    if receipt is not None:
        raise UsageError(
            f"the {kind.name} of {partition_date} are delivered already ({receipt.way}): "
            f"vye explain {partition_date}"
        )


def _claim(context: Context, partition_date: date, kind: Kind, now: datetime) -> None:
    """Claims a day's records as they are now; if the store can't be asked, as they were claimed."""
    try:
        take_export_ready(context, partition_date, kind, now)
    except PipelineError as error:
        is_claimed = context.ledger.file(partition_date, kind) is not None
        if error.cause is not Cause.UPLOAD or not is_claimed:
            raise


def _prepare(context: Context, partition_date: date, kind: Kind, now: datetime) -> None:
    """Makes sure that the file is what a put would send, and that none can have arrived."""
    refuse_while_handed_over(context, kind)
    _ask_the_store(context, partition_date, kind, now)
    _refuse_delivered(context, partition_date, kind)
    refuse_gap(context, partition_date, kind)
    context.ledger.hold_back(partition_date, kind)
    render_upload_file(context, partition_date, kind)


def _ask_the_store(context: Context, partition_date: date, kind: Kind, now: datetime) -> None:
    """Finds out whether anything was put that the ledger doesn't know.

    A store that can't be asked is what a file is handed over for, unless a put of it may have
    arrived there.
    """
    undecided = context.ledger.undecided_tries(partition_date, kind)
    try:
        for rendered in context.ledger.rendered_files(kind):
            finish_interrupted(context, kind, rendered, now)
        refuse_if_older(context, kind, now)
        if undecided and context.objects.find(outbound_key(kind, partition_date)) is not None:
            _refuse_delivered(context, partition_date, kind)
            raise upload_error(
                f"an earlier put of the {kind.name} of {partition_date} may have arrived: other "
                "bytes lie under its key",
                is_transient=False,
                next_step=f"find out who wrote them: vye explain {partition_date}",
            )
    except PipelineError as error:
        if undecided or error.cause is not Cause.UPLOAD:
            raise
    for try_id in undecided:  # the store has no object of them
        context.ledger.end_try(try_id, REFUSED, now)
    if undecided:
        file = memory_of(_file(context, partition_date, kind))
        remember(context, replace(file, state=memory.REFUSED), {})


def _file(context: Context, partition_date: date, kind: Kind) -> FileRow:
    file = context.ledger.file(partition_date, kind)
    if file is None:  # it has just been claimed
        raise UsageError(f"the {kind.name} of {partition_date} have not been read yet")
    return file


def _rows(context: Context, file: FileRow, begun: HandOver, kind: Kind) -> Rows:
    """Returns the rows of the ledger from which the delivery can be rebuilt."""
    return {
        **context.ledger.to_remember(begun.partition_date, kind),
        TRIES.name: try_row(memory_of(file), begun.begun_at),
        HAND_OVERS.name: context.ledger.hand_over_rows(begun.partition_date, kind),
    }
