"""Putting a file where BDN reads it: announced before, on record after, each try of it known.

The ledger is held against the stores first: one that is older than they are puts nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pandas as pd

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress import memory
from vye_pipeline.egress.comparison import refuse_if_older
from vye_pipeline.egress.memory import Memory, Rows, announce, remember
from vye_pipeline.errors import PipelineError, upload_error
from vye_pipeline.ledger.models import REFUSED, SUCCEEDED, TRIES, UNKNOWN
from vye_pipeline.records import Kind
from vye_pipeline.storage.object_store import KeyTaken


def put_file(
    context: Context,
    kind: Kind,
    content: bytes,
    *,
    file: Memory,
    announcement: Rows,
    record: Rows,
    now: datetime,
) -> None:
    """Puts a file once; one that is known to have been put isn't put again.

    Args:
        context: databases and stores.
        kind: of the records.
        content: the file.
        file: which one it is.
        announcement: the rows of the ledger from which the delivery can be rebuilt.
        record: the rows that the ledger has once the file is put.
        now: with zone.

    Raises:
        PipelineError: ledger: it is older than the store; upload: the object store refuses the
            file, or holds other bytes under its key; storage: the snapshots failed.
    """
    if not context.ledger.is_put(file.partition_date, kind, file.revision, file.fingerprint):
        refuse_if_older(context, kind, now)
        _try(context, kind, content, file, announcement, now)
    remember(context, replace(file, state=memory.DELIVERED), record)


def _try(
    context: Context,
    kind: Kind,
    content: bytes,
    file: Memory,
    announcement: Rows,
    now: datetime,
) -> None:
    """Tries a put, which is on record before it begins, and records how it ended."""
    try_id = context.ledger.begin_try(
        file.partition_date,
        kind,
        revision=file.revision,
        fingerprint=file.fingerprint,
        begun_at=now,
    )
    key = outbound_key(kind, file.partition_date, file.revision)
    try:
        first = context.ledger.first_try(file.partition_date, kind, file.revision)
        announce(context, file, {**announcement, TRIES.name: try_row(file, first or now)})
        context.objects.put_once(key, content)
    except PipelineError as error:
        is_refused = _is_refused(context, key, error)
        context.ledger.end_try(try_id, REFUSED if is_refused else UNKNOWN, now)
        if is_refused:
            with suppress(PipelineError):
                remember(context, replace(file, state=memory.REFUSED), {})
        raise _in_words(context, key, file, error) from None
    context.ledger.end_try(try_id, SUCCEEDED, now)


def try_row(file: Memory, begun_at: datetime) -> pd.DataFrame:
    """Returns a try as it would stand in the ledger, from which it may be lost."""
    row = {
        "partition_date": file.partition_date,
        "kind": file.kind,
        "revision": file.revision,
        "fingerprint": file.fingerprint,
        "begun_at": begun_at,
        "outcome": UNKNOWN,
    }
    return pd.DataFrame([row])


def _in_words(context: Context, key: str, file: Memory, error: PipelineError) -> PipelineError:
    """Returns the error; of a conflict one that names both fingerprints (bdn-interface.md)."""
    if not isinstance(error, KeyTaken):
        return error
    found = context.fingerprint_at(key)
    is_there = f"fingerprint {found} is there" if found else "it is gone by now"
    return upload_error(
        f"{error.what}: {is_there}, {file.fingerprint} was put",
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
