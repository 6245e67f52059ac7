"""What a newer, delivered change overtakes: it must never be sent (bdn-interface.md, part 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from vye_pipeline.ledger.connection import has_receipt, of_partition
from vye_pipeline.ledger.models import CLAIMS, DELIVERIES, LINE, SUPERSEDED
from vye_pipeline.records import Kind


def supersede(connection: Connection, kind: Kind, partition_dates: Sequence[date]) -> int:
    """Marks the lines of undelivered partitions that a delivered, later one has overtaken.

    A newer change of the same kind by the same user profile must not be overwritten by an older
    one (bdn-interface.md, part 3, `superseded`). Returns how many lines were marked.
    """
    last_delivered = connection.scalar(
        select(func.max(DELIVERIES.c.partition_date)).where(DELIVERIES.c.kind == kind.name)
    )
    overtaken = [day for day in partition_dates if last_delivered and day < last_delivered]
    if not overtaken:  # mostly nothing later is delivered
        return 0
    newer = CLAIMS.alias()
    conditions = [
        newer.c.kind == kind.name,
        newer.c.user_profile_id == CLAIMS.c.user_profile_id,
        newer.c.disposition == LINE,
        newer.c.partition_date > CLAIMS.c.partition_date,
        or_(
            newer.c.created_at > CLAIMS.c.created_at,
            and_(newer.c.created_at == CLAIMS.c.created_at, newer.c.record_id > CLAIMS.c.record_id),
        ),
        has_receipt(newer),
    ]
    if kind.is_dated:
        conditions.append(newer.c.transact_date >= CLAIMS.c.transact_date)
    statement = (
        update(CLAIMS)
        .where(
            CLAIMS.c.kind == kind.name,
            CLAIMS.c.partition_date.in_(overtaken),
            CLAIMS.c.disposition == LINE,
            exists().where(*conditions),
        )
        .values(disposition=SUPERSEDED, line_number=None)
    )
    return connection.execute(statement).rowcount


def number_lines(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Numbers the lines that are left from 1, in the order of the file."""
    numbered = (
        select(
            CLAIMS.c.record_id,
            func.row_number()
            .over(order_by=(CLAIMS.c.user_info_id, CLAIMS.c.record_id))
            .label("number"),
        )
        .where(*of_partition(CLAIMS, partition_date, kind), CLAIMS.c.disposition == LINE)
        .subquery()
    )
    connection.execute(
        update(CLAIMS)
        .where(CLAIMS.c.kind == kind.name, CLAIMS.c.record_id == numbered.c.record_id)
        .values(line_number=numbered.c.number)
    )
