"""Records of BDN clones that were read and that no partition has claimed.

What VYE commits late becomes visible after its clone was read. The next day that runs takes it up;
until then it is reported. Most looks find as many records as are claimed, with the same ids, and
read no more than counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, Engine, func, select

from vye_pipeline.context import Context
from vye_pipeline.ledger.membership import MembershipMixin, Tally
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database, Query
from vye_pipeline.vye_database.tables import Base

if TYPE_CHECKING:
    import pandas as pd

    from vye_pipeline.ledger.ledger import Ledger

Answer = TypeVar("Answer")
LOOK_BACK_BUSINESS_DAYS = 10
COLUMNS = ("record_id", "user_profile_id", "bdn_clone_id")


@dataclass(frozen=True)
class Source:
    """VYE's database, read or asked over the credential that may write the flag.

    Attributes:
        database: for error texts.
        engine: of it.
        is_tried_once: whether what may pass by itself is an error at once: somebody waits.
    """

    database: Database
    engine: Engine
    is_tried_once: bool = False

    @classmethod
    def of(cls, context: Context, *, is_tried_once: bool = False) -> Source:
        """Returns what the pipeline reads, which may be a standby."""
        return cls(context.vye, context.vye_engine, is_tried_once)


@dataclass(frozen=True)
class Unclaimed:
    """A record of a clone that was read, which no partition has claimed.

    Attributes:
        partition_date: of the partition that owns its clone.
        kind: of the record.
        record_id: as in VYE's table of the kind.
        user_profile_id: whose it is.
    """

    partition_date: date
    kind: str
    record_id: int
    user_profile_id: int | None


def find_unclaimed(
    context: Context,
    membership: MembershipMixin,
    now: datetime,
    kinds: Sequence[Kind] = KINDS,
) -> list[Unclaimed]:
    """Returns the records of the last ten business days that the next day to run will claim.

    Args:
        context: VYE's database; its ledger is asked only where there is something to be found.
        membership: the ledger, as far as clones are concerned.
        now: with zone.
        kinds: of the records.

    Raises:
        PipelineError: source: VYE's database can't be read; defect: the ledger can't.
    """
    calendar = context.settings.calendar
    newest = calendar.latest_business_day(now)
    first = calendar.business_days_after(newest, -LOOK_BACK_BUSINESS_DAYS)
    found: list[Unclaimed] = []
    for kind in kinds:
        owners = {
            clone.bdn_clone_id: clone.partition_date
            for clone in membership.owned_clones(kind, first, newest)
            if clone.is_read
        }
        source = Source.of(context, is_tried_once=True)
        if clones_with_unclaimed(source, membership, kind, list(owners)):
            rows = unclaimed_records(source, context.ledger, kind, list(owners))
            found += [
                Unclaimed(owners[clone], kind.name, record, None if profile < 0 else profile)
                for record, profile, clone in zip(
                    rows["record_id"].tolist(),
                    rows["user_profile_id"].fillna(-1).tolist(),
                    rows["bdn_clone_id"].tolist(),
                    strict=True,
                )
            ]
    return found


def clones_with_unclaimed(
    source: Source, ledger: MembershipMixin, kind: Kind, clone_ids: Sequence[int]
) -> list[int]:
    """Returns the clones, of some that were read, which may hold records that nobody has claimed.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    if not clone_ids:
        return []
    claimed = ledger.claimed_tallies(kind, clone_ids)
    found = _tallies(source, kind, clone_ids)
    return [clone for clone in clone_ids if clone in found and found[clone] != claimed.get(clone)]


def unclaimed_records(
    source: Source, ledger: Ledger, kind: Kind, clone_ids: Sequence[int]
) -> pd.DataFrame:
    """Returns the records of some clones that nobody has claimed.

    Args:
        source: VYE's database.
        ledger: what is claimed.
        kind: of the records.
        clone_ids: the BDN clones to look at.

    Returns:
        record_id, user_profile_id, bdn_clone_id: a row per record, by record_id.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    import numpy as np
    import pandas as pd

    from vye_pipeline.columns.parallel import side_by_side
    from vye_pipeline.sql.frames import read_frame, read_ids

    differing = clones_with_unclaimed(source, ledger, kind, clone_ids)
    if not differing:
        return pd.DataFrame(columns=list(COLUMNS), dtype="int64")
    query = _query(kind, differing)
    asked = (
        partial(_read, source, query.with_only_columns(query.selected_columns[0]), read_ids),
        partial(ledger.claimed_ids, kind, differing),
    )
    ids, claimed = side_by_side(lambda ask: ask(), asked)  # two databases, which don't wait
    unclaimed = np.setdiff1d(ids, claimed, assume_unique=True)
    records = _read(source, query, read_frame)
    records = records[records["record_id"].isin(unclaimed)]
    return records.sort_values("record_id", ignore_index=True)


def _query(kind: Kind, clone_ids: Sequence[int]) -> Query:
    record, info = Base.metadata.tables[kind.table], Base.metadata.tables["vye_user_infos"]
    query = (
        select(record.c.id.label("record_id"), info.c.user_profile_id, info.c.bdn_clone_id)
        .select_from(info.join(record, record.c.user_info_id == info.c.id))
        .where(info.c.bdn_clone_id.in_(clone_ids))
    )
    return query if kind.origin is None else query.where(record.c.origin == kind.origin)


def _tallies(source: Source, kind: Kind, clone_ids: Sequence[int]) -> dict[int, Tally]:
    each = _query(kind, clone_ids).subquery().c
    query = select(each.bdn_clone_id, func.count(), func.sum(each.record_id)).group_by(
        each.bdn_clone_id
    )
    rows = _read(source, query, lambda connection, asked: connection.execute(asked).all())
    return {clone: Tally(int(count), int(ids)) for clone, count, ids in rows}


def _read(source: Source, query: Query, read: Callable[[Connection, Query], Answer]) -> Answer:
    def attempt() -> Answer:
        with source.database.errors(), source.engine.connect() as connection:
            return read(connection, query)

    return attempt() if source.is_tried_once else retried(attempt)()
