"""Records of a BDN clone that no partition has claimed: what would be orphaned if nobody looked.

A record can come to a clone between the cut-off and VYE's activation of the next one, or be
committed late by VYE. As long as the clone is export-ready the next partition takes it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from vye_pipeline.columns.parallel import side_by_side
from vye_pipeline.context import Context
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Query
from vye_pipeline.sql.frames import read_frame, read_ids
from vye_pipeline.vye_database.tables import Base


def unclaimed_records(
    context: Context, kind: Kind, clone_ids: Sequence[int], before: datetime | None = None
) -> pd.DataFrame:
    """Returns record_id and user_profile_id of the records of some clones that nobody has claimed.

    Args:
        context: ledger and VYE's database.
        kind: of the records.
        clone_ids: the BDN clones to look at.
        before: only what was created before (with zone); all by default.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    query = _query(kind, clone_ids, before)
    ids_alone = query.with_only_columns(query.selected_columns["record_id"])
    asked = (
        partial(_read_ids, context, ids_alone),
        partial(context.ledger.claimed_ids, kind, clone_ids),
    )
    ids, claimed = side_by_side(lambda ask: ask(), asked)  # two databases, which don't wait
    unclaimed = np.setdiff1d(ids, claimed, assume_unique=True)
    if not len(unclaimed):  # as a rule: then nobody needs to know whose the records are
        return pd.DataFrame(columns=["record_id", "user_profile_id"], dtype="int64")
    records = _read_records(context, query)
    records = records[records["record_id"].isin(unclaimed)]
    return records.sort_values("record_id", ignore_index=True)


def _query(kind: Kind, clone_ids: Sequence[int], before: datetime | None) -> Query:
    record, info = Base.metadata.tables[kind.table], Base.metadata.tables["vye_user_infos"]
    query = (
        select(record.c.id.label("record_id"), info.c.user_profile_id)
        .select_from(info.join(record, record.c.user_info_id == info.c.id))
        .where(info.c.bdn_clone_id.in_(clone_ids))
    )
    if kind.origin is not None:
        query = query.where(record.c.origin == kind.origin)
    if before is not None:
        query = query.where(record.c.created_at < before.astimezone(UTC).replace(tzinfo=None))
    return query


@retried
def _read_ids(context: Context, query: Query) -> NDArray[np.int64]:
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return read_ids(connection, query)


@retried
def _read_records(context: Context, query: Query) -> pd.DataFrame:
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return read_frame(connection, query)
