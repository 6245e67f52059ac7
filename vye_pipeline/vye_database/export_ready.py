"""Which records go out on a day (vye-database.md, "Which partition a record belongs to").

One query a kind, in a read-only transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pandas as pd
from sqlalchemy import (
    DateTime,
    Engine,
    Label,
    Select,
    Table,
    Text,
    case,
    cast,
    literal,
    or_,
    select,
    true,
)

from vye_pipeline.business_days import cut_off
from vye_pipeline.errors import Cause, source_error
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database
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


@dataclass(frozen=True)
class Candidates:
    """What VYE's database holds for a partition.

    Attributes:
        clone_ids: the BDN clones that are export-ready now.
        records: the id columns, is_flagged (its clone is export-ready now) and the kind's columns
            as text without nulls, the personal ones as they are stored, with what opens them
            (`columns_read`); ordered by user_info_id, the newest first.
    """

    clone_ids: list[int]
    records: pd.DataFrame


def vye_database(settings: Settings) -> Database:
    """Returns VYE's database as the settings name it."""
    return Database(
        "VYE's database",
        "VYE_DATABASE_URL",
        settings.vye_database_url,
        Cause.SOURCE,
        settings.allow_cleartext,
    )


def vye_write_database(settings: Settings) -> Database | None:
    """Returns VYE's database with the credential that may change a flag, if there is one."""
    url = settings.vye_database_write_url
    if url is None:
        return None
    return Database(
        "VYE's database",
        "VYE_DATABASE_WRITE_URL",
        url,
        Cause.SOURCE,
        settings.allow_cleartext,
    )


@retried
def read_candidates(
    database: Database,
    engine: Engine,
    kind: Kind,
    partition_date: date,
    claimed_clone_ids: Sequence[int],
    shape: Shape,
) -> Candidates:
    """Reads the records that may belong to a partition, all in one snapshot.

    Args:
        database: VYE's, for error texts.
        engine: a read-only one of it.
        kind: of the records.
        partition_date: only what was created before its cut-off counts.
        claimed_clone_ids: clones that the partition has read before, whatever their flag is now.
        shape: how the database keeps what is personal.

    Raises:
        PipelineError: the database can't be read.
    """
    clones = _table("vye_bdn_clones")
    with database.errors(), engine.connect() as connection:
        ready = list(connection.scalars(select(clones.c.id).where(clones.c.export_ready == true())))
        wanted = sorted({*ready, *claimed_clone_ids})
        records = read_frame(connection, _query(kind, partition_date, wanted, shape))
    _refuse_repeated(kind, records["record_id"])
    return Candidates(ready, records.assign(is_flagged=records["bdn_clone_id"].isin(ready)))


def _query(
    kind: Kind, partition_date: date, clone_ids: Sequence[int], shape: Shape
) -> Select[tuple[object]]:
    record, info, profile = (shape.tables[name] for name in (kind.table, USER_INFOS, PROFILES))
    created_at = readable_time(record)
    before = cut_off(partition_date).astimezone(UTC).replace(tzinfo=None)
    conditions = [
        info.c.bdn_clone_id.in_(clone_ids),
        or_(created_at.element.is_(None), created_at.element < literal(before, DateTime)),
    ]
    if kind.origin is not None:
        conditions.append(record.c.origin == kind.origin)
    query = (
        select(
            record.c.id.label("record_id"),
            info.c.id.label("user_info_id"),
            profile.c.id.label("user_profile_id"),
            info.c.bdn_clone_id,
            created_at,
            *columns_read(shape, kind),
        )
        .select_from(info)
        .join(record, record.c.user_info_id == info.c.id)
        .outerjoin(profile, profile.c.id == info.c.user_profile_id)
        .where(*conditions)
        .order_by(info.c.id, created_at.element.desc(), record.c.id.desc())
    )
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
