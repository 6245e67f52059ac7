"""What a newer, delivered change overtakes: it must never be sent (bdn-interface.md, part 3)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from vye_pipeline.ledger.connection import has_receipt, of_partition
from vye_pipeline.ledger.models import CLAIMS, DELIVERIES, FILES, LINE, SUPERSEDED
from vye_pipeline.records import Kind


def supersede(connection: Connection, kind: Kind, partition_date: date) -> int:
    """Marks the lines of an undelivered partition that a delivered, later one has overtaken.

    A newer change of the same kind by the same user profile must not be overwritten by an older
    one (bdn-interface.md, part 3, `superseded`). The other lines are numbered anew, and the file
    that was rendered from all of them is none any more. Returns how many lines were marked.
    """
    last_delivered = connection.scalar(
        select(func.max(DELIVERIES.c.partition_date)).where(DELIVERIES.c.kind == kind.name)
    )
    if last_delivered is None or last_delivered <= partition_date:  # mostly
        return 0
    marked = _mark_overtaken(connection, kind, partition_date)
    if marked:
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
    return marked


def _mark_overtaken(connection: Connection, kind: Kind, partition_date: date) -> int:
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
            *of_partition(CLAIMS, partition_date, kind),
            CLAIMS.c.disposition == LINE,
            exists().where(*conditions),
        )
        .values(disposition=SUPERSEDED, line_number=None)
    )
    return connection.execute(statement).rowcount


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
