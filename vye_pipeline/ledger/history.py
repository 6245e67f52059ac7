"""How statuses move: what holds now, what it replaced, and what may follow what.

Only what has changed is written, so that a partition which is looked at every day costs nothing
and the history has a row per change.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Column, Connection, MetaData, Table, Update, select, update

from vye_pipeline.errors import defect
from vye_pipeline.ledger.connection import of_partition
from vye_pipeline.ledger.models import FILES, RECONCILIATIONS, Identifier
from vye_pipeline.records import Kind
from vye_pipeline.records.statuses import MOVES, Status
from vye_pipeline.sql.frames import append_frame, read_frame

KEY = "acknowledgement_key"  # where a status came from: the same status from elsewhere is no change
CONTENT = ("record_id", "user_profile_id", "line_number", "status", "reason_code", "fields")
CLOSING = Table(
    "closing_reconciliations",
    MetaData(),
    Column("record_id", Identifier, primary_key=True),
    prefixes=["TEMPORARY"],
)


def replace(
    connection: Connection,
    partition_date: date,
    kind: Kind,
    rows: pd.DataFrame,
    reconciled_at: datetime,
) -> None:
    """Closes the rows that don't hold any more and adds those that hold instead.

    Another run that does the same for the partition waits for the end of the transaction.

    Args:
        connection: in a transaction.
        partition_date: of the records.
        kind: of the records.
        rows: record_id, user_profile_id, line_number, status, reason_code, fields,
            acknowledgement_key.
        reconciled_at: until when the ones held and from when the others do.

    Raises:
        PipelineError: defect: a record's status can't follow the one it had (MOVES).
    """
    file = select(FILES.c.kind).where(*of_partition(FILES, partition_date, kind))
    connection.execute(file.with_for_update(key_share=True))
    rows = _typed(rows)
    holding = (
        *of_partition(RECONCILIATIONS, partition_date, kind),
        RECONCILIATIONS.c.replaced_at.is_(None),
    )
    query = select(*(RECONCILIATIONS.c[name] for name in CONTENT)).where(*holding)
    known = _typed(read_frame(connection, query))
    gone, new = _changed_records(known, rows)
    _refuse_other_moves(partition_date, kind, gone, new)
    gone_lines, new_lines = _changed_unexpected_lines(known, rows)
    closing = update(RECONCILIATIONS).values(replaced_at=reconciled_at).where(*holding)
    if not gone.empty:
        _close_records(connection, closing, gone["record_id"])
    if not gone_lines.empty:
        connection.execute(closing.where(RECONCILIATIONS.c.record_id.is_(None)))
    owner: dict[str, Any] = {"partition_date": partition_date, "kind": kind.name}
    added = pd.concat([new, new_lines])[[*CONTENT, KEY]]
    append_frame(connection, RECONCILIATIONS, added.assign(**owner, reconciled_at=reconciled_at))


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype(
        dict.fromkeys(("record_id", "user_profile_id", "line_number"), "Int64")
        | dict.fromkeys(("status", "reason_code", "fields"), "str")
    )


def _changed_records(known: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows of records that don't hold any more, and those that hold instead."""
    before, after = (
        frame.dropna(subset="record_id").set_index("record_id", drop=False)
        for frame in (known, rows)
    )
    common = before.index.intersection(after.index)
    old, new = before.loc[common, list(CONTENT)], after.loc[common, list(CONTENT)]
    is_same = ((old == new) | (old.isna() & new.isna())).fillna(False).all(axis="columns")
    same = common[is_same]
    return before.drop(same), after.drop(same)


def _changed_unexpected_lines(
    known: pd.DataFrame, rows: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns all rows of unexpected lines, before and after, or none if they are the same."""
    before, after = (frame[frame["record_id"].isna()] for frame in (known, rows))
    content = ["line_number", "reason_code"]
    contents = [frame[content].sort_values(content, ignore_index=True) for frame in (before, after)]
    if contents[0].equals(contents[1]):
        return before.iloc[:0], after.iloc[:0]
    return before, after


def _refuse_other_moves(
    partition_date: date, kind: Kind, gone: pd.DataFrame, new: pd.DataFrame
) -> None:
    moved = pd.DataFrame({"before": gone["status"], "after": new["status"]}).dropna()
    for before, after in moved.drop_duplicates().itertuples(index=False):
        if before != after and after not in MOVES[Status(before)]:
            raise defect(
                f"{kind.name} of {partition_date}: a record that was {before} can't become {after}",
                next_step="nothing was changed; look at the day with `vye explain`, and put BDN's "
                "answer back if somebody has replaced it",
            )


def _close_records(connection: Connection, closing: Update, record_ids: pd.Series[int]) -> None:
    CLOSING.create(connection)
    append_frame(connection, CLOSING, record_ids.to_frame())
    connection.execute(closing.where(RECONCILIATIONS.c.record_id.in_(select(CLOSING.c.record_id))))
    CLOSING.drop(connection)
