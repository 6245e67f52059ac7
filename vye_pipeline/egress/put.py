"""Putting a file where BDN reads it: every try is on record before it begins."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError, upload_error
from vye_pipeline.ledger.models import REFUSED, SUCCEEDED, UNKNOWN
from vye_pipeline.records import Kind
from vye_pipeline.storage.object_store import KeyTaken


def put_file(
    context: Context,
    partition_date: date,
    kind: Kind,
    content: bytes,
    *,
    object_key: str,
    fingerprint: str,
    revision: int = 1,
    now: datetime,
) -> None:
    """Puts a file once, and records the try: its beginning before it, how it ended after it.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        content: the file.
        object_key: where it is put.
        fingerprint: of the content.
        revision: 1 for the file as it is delivered first, from 2 for a redelivery.
        now: with zone.

    Raises:
        PipelineError: upload: the object store refuses it, or holds other bytes under its key.
    """
    try_id = context.ledger.begin_try(
        partition_date, kind, revision=revision, fingerprint=fingerprint, begun_at=now
    )
    try:
        context.objects.put_once(object_key, content)
    except PipelineError as error:
        outcome = REFUSED if _is_refused(context, object_key, error) else UNKNOWN
        context.ledger.end_try(try_id, outcome, now)
        if isinstance(error, KeyTaken):
            raise _named(context, object_key, fingerprint, error) from None
        raise
    context.ledger.end_try(try_id, SUCCEEDED, now)


def _named(context: Context, object_key: str, fingerprint: str, error: KeyTaken) -> PipelineError:
    """Names both fingerprints of a conflict (bdn-interface.md, part 2)."""
    lying = context.fingerprint_at(object_key) or "nothing any more"
    return upload_error(
        f"{error.what}: fingerprint {lying} lies there, {fingerprint} was put",
        is_transient=False,
        next_step=error.next_step,
    )


def _is_refused(context: Context, object_key: str, error: PipelineError) -> bool:
    """Says whether BDN can't have seen anything of a put that failed.

    A put that timed out may yet arrive; one that is refused when it is repeated may have arrived
    the first time.
    """
    if isinstance(error, KeyTaken):
        return True
    with suppress(PipelineError):
        return not error.is_transient and context.objects.find(object_key) is None
    return False
