"""The records of BDN clones, as VYE's database holds them: one query per kind, read-only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
from sqlalchemy import (
    DateTime,
    Engine,
    Label,
    Table,
    Text,
    case,
    cast,
    literal,
    select,
)

from vye_pipeline.errors import source_error
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database, Query
from vye_pipeline.sql.frames import read_frame
from vye_pipeline.vye_database.personal import (
    IDENTITIES,
    PROFILES,
    USER_INFOS,
    Shape,
    columns_read,
)
from vye_pipeline.vye_database.tables import Base

ID_COLUMNS = (
    "record_id",
    "user_info_id",
    "user_profile_id",
    "bdn_clone_id",
    "created_at",
)
MANY_TO_NAME = 10
WITHOUT_ZONE = DateTime().with_variant(Text, "sqlite")  # SQLite would make a number of it
EARLIEST, LATEST = (literal(datetime(year, 1, 1), DateTime) for year in (1900, 9999))  # noqa: DTZ001 - as VYE keeps them


@retried
def read_candidates(
    database: Database,
    engine: Engine,
    kind: Kind,
    clone_ids: Sequence[int],
    shape: Shape,
    unattached_since: datetime,
) -> pd.DataFrame:
    """Reads the records of some clones, and those of no clone, all in one snapshot.

    Args:
        database: VYE's, for error texts.
        engine: a read-only one of it.
        kind: of the records.
        clone_ids: the BDN clones, whatever their flags are.
        shape: how the database keeps what is personal.
        unattached_since: records without a user_info count if they were created since (with zone).

    Returns:
        The id columns and the kind's columns as text without nulls, the personal ones as they are
        stored, with what opens them (`columns_read`); ordered by user_info_id, the newest first.

    Raises:
        PipelineError: the database can't be read.
    """
    with database.errors(), engine.connect() as connection:
        records = read_frame(connection, _of_clones(kind, clone_ids, shape))
        unattached = read_frame(connection, _unattached(kind, unattached_since, shape))
    records = _with_unattached(records, unattached)
    _refuse_repeated(kind, records["record_id"])
    return records


def _of_clones(kind: Kind, clone_ids: Sequence[int], shape: Shape) -> Query:
    return _query(kind, shape).where(shape.tables[USER_INFOS].c.bdn_clone_id.in_(clone_ids))


def _unattached(kind: Kind, since: datetime, shape: Shape) -> Query:
    """Selects records without a user_info: VYE cuts a verification's after two weeks."""
    record, info = shape.tables[kind.table], shape.tables[USER_INFOS]
    moment = since.astimezone(UTC).replace(tzinfo=None)
    return _query(kind, shape).where(info.c.id.is_(None), record.c.created_at >= moment)


def _with_unattached(records: pd.DataFrame, unattached: pd.DataFrame) -> pd.DataFrame:
    if unattached.empty:
        return records
    ids = dict.fromkeys(("user_info_id", "user_profile_id", "bdn_clone_id"), "Int64")
    return pd.concat([records.astype(ids), unattached.astype(ids)], ignore_index=True)


def _query(kind: Kind, shape: Shape) -> Query:
    """Selects the columns of a kind's records, with whatever each of them hangs from."""
    record, info, profile = (shape.tables[name] for name in (kind.table, USER_INFOS, PROFILES))
    created_at = readable_time(record)
    query = (
        select(
            record.c.id.label("record_id"),
            info.c.id.label("user_info_id"),
            profile.c.id.label("user_profile_id"),
            info.c.bdn_clone_id,
            created_at,
            *columns_read(shape, kind),
        )
        .select_from(record)
        .outerjoin(info, info.c.id == record.c.user_info_id)
        .outerjoin(profile, profile.c.id == info.c.user_profile_id)
        .order_by(info.c.id, created_at.element.desc(), record.c.id.desc())
    )
    if kind.origin is not None:
        query = query.where(record.c.origin == kind.origin)
    if shape.joins_identities:
        identity = _table(IDENTITIES)
        query = query.outerjoin(identity, identity.c.icn == profile.c.icn)
    return query


def _refuse_repeated(kind: Kind, record_ids: pd.Series[int]) -> None:
    """Refuses records that a join has made several of: an ICN or an id that stands there twice."""
    repeated = record_ids[record_ids.duplicated()].drop_duplicates()
    if len(repeated):
        listed = ", ".join(str(one) for one in repeated.head(MANY_TO_NAME))
        raise source_error(
            f"{len(repeated)} {kind.name} come more than once, the records {listed} among them: "
            "an ICN stands twice in mpi_identities, or an id twice in its table",
            is_transient=False,
            next_step="remove the repeated rows in VYE's database, then run the day again",
        )


def readable_time(record: Table) -> Label[datetime]:
    """Returns when a record was created, whether VYE keeps zones or not; null for no such time.

    PostgreSQL also keeps infinities, years before Christ and years beyond 9999.
    """
    created_at = cast(record.c.created_at, WITHOUT_ZONE)
    return case((created_at.between(EARLIEST, LATEST), created_at)).label("created_at")


def _table(name: str) -> Table:
    return Base.metadata.tables[name]
