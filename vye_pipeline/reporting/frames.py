"""Assets as frames, for notebooks and other projects, read from the ledger: no personal data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

from vye_pipeline.context import Context
from vye_pipeline.ledger.views import deliveries, reconciled_records
from vye_pipeline.reporting.worklist import worklist
from vye_pipeline.sql.frames import read_frame


def reconciliation(context: Context, kind: str, first: date, last: date) -> pd.DataFrame:
    """Returns what became of each record of a kind, by day and line.

    Args:
        context: the ledger.
        kind: of the records.
        first: the first partition.
        last: the last partition.

    Returns:
        PARTITION and RECORD (ledger/columns.py): one row per record.

    Raises:
        PipelineError: the ledger can't be read.
    """
    query = reconciled_records(kind, first, last)
    return context.ledger.read(lambda connection: read_frame(connection, query))


def delivery(context: Context, kind: str, first: date, last: date) -> pd.DataFrame:
    """Returns deliveries, redeliveries and failures of a kind, oldest first.

    Args:
        context: the ledger.
        kind: of the files.
        first: the first partition.
        last: the last partition.

    Returns:
        The columns of the view delivery_history (docs/analysts.md).

    Raises:
        PipelineError: the ledger can't be read.
    """
    query = deliveries(kind, first, last)
    return context.ledger.read(lambda connection: read_frame(connection, query))


def manual_reconciliation(context: Context, days: Sequence[date], now: datetime) -> pd.DataFrame:
    """Returns the user profiles of some days that need a person.

    Args:
        context: ledger and VYE's database.
        days: the partitions, at least one.
        now: with zone.

    Returns:
        partition_date and WORKLIST (ledger/columns.py): one row per day and user profile.

    Raises:
        PipelineError: the ledger can't be read.
    """
    frames = [worklist(context, day, now) for day in days]
    for day, frame in zip(days, frames, strict=True):
        frame.insert(0, "partition_date", day.isoformat())
    return pd.concat(frames, ignore_index=True)
