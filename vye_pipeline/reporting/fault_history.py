"""How many records of the last days had a fault: what BDN rejected, and what was quarantined."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select

from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS, DELIVERIES, IS_OPEN, RECONCILIATIONS
from vye_pipeline.ledger.record_status import same_partition
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.fault_rate import Faults
from vye_pipeline.sql.engines import Query


@dataclass(frozen=True)
class FaultyDay:
    """How many of a delivered file's records have a fault.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        status: rejected, of its lines, once BDN has answered; or quarantined, of all records.
        faults: how many.
    """

    partition_date: date
    kind: str
    status: Status
    faults: Faults


def rejections(connection: Connection, kind: str, before: date, day_count: int) -> list[Faults]:
    """Returns how much BDN rejected of the last files before a day that it answered."""
    query = (
        select(func.max(ACKNOWLEDGEMENTS.c.rejected_count), func.max(DELIVERIES.c.line_count))
        .join(DELIVERIES, same_partition(DELIVERIES, ACKNOWLEDGEMENTS))
        .where(
            ACKNOWLEDGEMENTS.c.kind == kind,
            ACKNOWLEDGEMENTS.c.partition_date < before,
            ACKNOWLEDGEMENTS.c.disposition != Disposition.REFUSED.value,
            ACKNOWLEDGEMENTS.c.ignored_because.is_(None),
        )
        .group_by(ACKNOWLEDGEMENTS.c.partition_date)
        .order_by(ACKNOWLEDGEMENTS.c.partition_date.desc())
        .limit(day_count)
    )
    return [Faults(rejected, lines) for rejected, lines in connection.execute(query)]


def fault_history(connection: Connection, since: date) -> list[FaultyDay]:
    """Returns the faults of the files that were delivered since a day, oldest first."""
    counts = _counts(connection, since)
    days = []
    for day, kind, lines, is_answered in connection.execute(_files(since)):
        quarantined = counts[day, kind, Status.QUARANTINED]
        held_back = Faults(quarantined, lines + quarantined)
        days.append(FaultyDay(day, kind, Status.QUARANTINED, held_back))
        if is_answered:
            rejected = Faults(counts[day, kind, Status.REJECTED], lines)
            days.append(FaultyDay(day, kind, Status.REJECTED, rejected))
    return days


def _files(since: date) -> Query:
    is_answered = (
        select(ACKNOWLEDGEMENTS.c.kind)
        .where(
            same_partition(ACKNOWLEDGEMENTS, DELIVERIES),
            ACKNOWLEDGEMENTS.c.ignored_because.is_(None),
        )
        .exists()
    )
    columns = (DELIVERIES.c.partition_date, DELIVERIES.c.kind, DELIVERIES.c.line_count)
    query = select(*columns, is_answered).where(DELIVERIES.c.partition_date >= since)
    return query.order_by(DELIVERIES.c.partition_date)


def _counts(connection: Connection, since: date) -> Counter[tuple[date, str, str]]:
    rows = RECONCILIATIONS.c
    of_a_day = (rows.partition_date, rows.kind, rows.status)
    query = (
        select(*of_a_day, func.count())
        .where(
            IS_OPEN,
            rows.partition_date >= since,
            rows.status.in_([str(Status.QUARANTINED), str(Status.REJECTED)]),
        )
        .group_by(*of_a_day)
    )
    return Counter({(day, kind, status): n for day, kind, status, n in connection.execute(query)})
