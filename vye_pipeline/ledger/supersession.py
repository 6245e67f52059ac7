"""What a newer change overtakes: it must never be sent (bdn-interface.md, part 3, `superseded`)."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd
from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from vye_pipeline.ledger.connection import has_receipt, is_delivered, of_partition
from vye_pipeline.ledger.models import (
    CLAIMS,
    CLOSINGS,
    FILES,
    LINE,
    PARTITION_CLONES,
    SUPERSEDED,
)
from vye_pipeline.records import Kind
from vye_pipeline.sql.frames import read_frame

NEWER = CLAIMS.alias("newer")
CLOSED, NEWER_CLOSED = CLOSINGS.alias("closed"), CLOSINGS.alias("newer_closed")


def supersede(connection: Connection, kind: Kind, partition_date: date) -> int:
    """Marks the lines of an undelivered partition that a newer change has overtaken.

    A newer change of the same kind by the same user profile must not be overwritten by an older
    one: by one that is delivered in any partition, or stands in the same file from a clone that was
    closed later. The other lines are numbered anew, and the file that was rendered from all of them
    no longer counts. Returns how many lines were marked.
    """
    if not _may_be_overtaken(connection, kind, partition_date):  # mostly
        return 0
    marked = _mark_overtaken(connection, kind, partition_date)
    if marked:
        take_back(connection, kind, partition_date)
    return marked


def take_back(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Numbers the lines that are left anew, and takes back the file that was made of more."""
    _number_lines(connection, kind, partition_date)
    connection.execute(
        update(FILES)
        .where(*of_partition(FILES, partition_date, kind))
        .values(
            claims_version=FILES.c.claims_version + 1,
            fingerprint=None,
            byte_count=None,
            line_count=None,
        )
    )


def count_anew(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Writes how many records of each of its clones a partition has claimed now."""
    mine = (
        *of_partition(CLAIMS, partition_date, kind),
        CLAIMS.c.bdn_clone_id == PARTITION_CLONES.c.bdn_clone_id,
    )
    total = func.coalesce(func.sum(CLAIMS.c.record_id), 0)
    connection.execute(
        update(PARTITION_CLONES)
        .where(*of_partition(PARTITION_CLONES, partition_date, kind))
        .values(
            record_count=select(func.count()).where(*mine).scalar_subquery(),
            record_id_sum=select(total).where(*mine).scalar_subquery(),
        )
    )


def delivered_lines(
    connection: Connection, kind: Kind, closed_since: datetime, other_than: date
) -> pd.DataFrame:
    """Returns what may have overtaken changes of clones that were closed at a moment or later.

    Args:
        connection: to the ledger.
        kind: of the records.
        closed_since: the moment (with zone).
        other_than: the partition of these changes.

    Returns:
        user_profile_id, closed_at, created_at, record_id, transact_date: a row per line of another
        partition that was delivered.
    """
    columns = (CLAIMS.c.user_profile_id, CLOSINGS.c.closed_at, CLAIMS.c.created_at)
    query = (
        select(*columns, CLAIMS.c.record_id, CLAIMS.c.transact_date)
        .join(CLOSINGS, CLOSINGS.c.bdn_clone_id == CLAIMS.c.bdn_clone_id)
        .where(
            CLAIMS.c.kind == kind.name,
            CLAIMS.c.disposition == LINE,
            CLAIMS.c.partition_date != other_than,
            CLOSINGS.c.closed_at >= closed_since,
            is_delivered(CLAIMS),
        )
    )
    return read_frame(connection, query)


def _may_be_overtaken(connection: Connection, kind: Kind, partition_date: date) -> bool:
    """Says whether a partition has a clone older than another of its own or than a delivered one.

    So records are compared only where they can have been overtaken.
    """
    holding = (
        select(
            PARTITION_CLONES.c.partition_date,
            CLOSINGS.c.closed_at,
            is_delivered(PARTITION_CLONES).label("is_delivered"),
        )
        .join(CLOSINGS, CLOSINGS.c.bdn_clone_id == PARTITION_CLONES.c.bdn_clone_id)
        .where(PARTITION_CLONES.c.kind == kind.name, PARTITION_CLONES.c.record_count > 0)
        .subquery()
        .c
    )
    oldest, clones = connection.execute(
        select(func.min(holding.closed_at), func.count()).where(
            holding.partition_date == partition_date
        )
    ).one()
    if oldest is None:
        return False
    delivered = exists().where(
        holding.is_delivered, holding.partition_date != partition_date, holding.closed_at >= oldest
    )
    return clones > 1 or bool(connection.scalar(select(delivered)))


def _mark_overtaken(connection: Connection, kind: Kind, partition_date: date) -> int:
    closed_at, newer_closed_at = CLOSED.c.closed_at, NEWER_CLOSED.c.closed_at
    is_later_clone = newer_closed_at > closed_at
    conditions = [
        CLOSED.c.bdn_clone_id == CLAIMS.c.bdn_clone_id,
        NEWER.c.kind == kind.name,
        NEWER.c.user_profile_id == CLAIMS.c.user_profile_id,
        NEWER.c.disposition == LINE,
        NEWER_CLOSED.c.bdn_clone_id == NEWER.c.bdn_clone_id,
        or_(is_later_clone, and_(newer_closed_at == closed_at, _was_created_later())),
        or_(
            and_(NEWER.c.partition_date == partition_date, is_later_clone),
            and_(NEWER.c.partition_date != partition_date, has_receipt(NEWER)),
        ),
    ]
    if kind.is_dated:
        conditions.append(NEWER.c.transact_date >= CLAIMS.c.transact_date)
    statement = (
        update(CLAIMS)
        .where(
            *of_partition(CLAIMS, partition_date, kind),
            CLAIMS.c.disposition == LINE,
            exists().where(*conditions),
        )
        .values(disposition=SUPERSEDED, line_number=None)
    )
    return connection.execute(statement).rowcount


def _was_created_later() -> ColumnElement[bool]:
    return or_(
        NEWER.c.created_at > CLAIMS.c.created_at,
        and_(NEWER.c.created_at == CLAIMS.c.created_at, NEWER.c.record_id > CLAIMS.c.record_id),
    )


def _number_lines(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Numbers the lines that are left from 1, in the order in which they stood."""
    numbered = (
        select(
            CLAIMS.c.record_id,
            func.row_number().over(order_by=CLAIMS.c.line_number).label("number"),
        )
        .where(*of_partition(CLAIMS, partition_date, kind), CLAIMS.c.disposition == LINE)
        .subquery()
    )
    connection.execute(
        update(CLAIMS)
        .where(
            CLAIMS.c.kind == kind.name,
            CLAIMS.c.record_id == numbered.c.record_id,
            CLAIMS.c.line_number != numbered.c.number,
        )
        .values(line_number=numbered.c.number)
    )
