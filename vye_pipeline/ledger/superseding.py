"""What a newer, delivered change overtakes: it must never be sent (bdn-interface.md, part 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import (
    Connection,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from vye_pipeline.ledger.connection import (
    has_receipt,
    of_partition,
)
from vye_pipeline.ledger.models import (
    LINE,
    SUPERSEDED,
    Claim,
    Delivery,
)
from vye_pipeline.records import Kind


def supersede(connection: Connection, kind: Kind, partition_dates: Sequence[date]) -> int:
    """Marks the lines of undelivered partitions that a delivered, later one has overtaken.

    A newer change of the same kind by the same user profile must not be overwritten by an older
    one (bdn-interface.md, part 3, `superseded`). Returns how many lines were marked.
    """
    newer = aliased(Claim)
    # Mostly nothing later is delivered: then this alone, looked at once, leaves no row to look at.
    last_delivered = select(func.max(Delivery.partition_date)).where(Delivery.kind == kind.name)
    conditions = [
        newer.kind == kind.name,
        newer.user_profile_id == Claim.user_profile_id,
        newer.disposition == LINE,
        newer.partition_date > Claim.partition_date,
        or_(
            newer.created_at > Claim.created_at,
            and_(newer.created_at == Claim.created_at, newer.record_id > Claim.record_id),
        ),
        has_receipt(newer),
    ]
    if kind.is_dated:
        conditions.append(newer.transact_date >= Claim.transact_date)
    statement = (
        update(Claim)
        .where(
            Claim.kind == kind.name,
            Claim.partition_date.in_(partition_dates),
            Claim.partition_date < last_delivered.scalar_subquery(),
            Claim.disposition == LINE,
            exists().where(*conditions),
        )
        .values(disposition=SUPERSEDED, line_number=None)
        .execution_options(synchronize_session=False)
    )
    return connection.execute(statement).rowcount if partition_dates else 0


def number_lines(connection: Connection, kind: Kind, partition_date: date) -> None:
    """Numbers the lines that are left from 1, in the order of the file."""
    numbered = (
        select(
            Claim.record_id,
            func.row_number().over(order_by=(Claim.user_info_id, Claim.record_id)).label("number"),
        )
        .where(*of_partition(Claim, partition_date, kind), Claim.disposition == LINE)
        .subquery()
    )
    connection.execute(
        update(Claim)
        .where(Claim.kind == kind.name, Claim.record_id == numbered.c.record_id)
        .values(line_number=numbered.c.number)
        .execution_options(synchronize_session=False)
    )
