"""How many of a partition's records each rule catches, and how many of them somebody accepts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, insert, select

from vye_pipeline.ledger.connection import LedgerConnection, of_partition
from vye_pipeline.ledger.models import ACCEPTED_GAPS, CLAIMS, FINDINGS, REPLACED
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried

NEWEST = CLAIMS.alias()


@dataclass(frozen=True)
class Caught:
    """What one rule of one field catches of a partition's newest records.

    Attributes:
        field: whose value breaks the rule.
        code: of the rule.
        records: how many it catches.
        of: how many newest records the partition has.
        accepted: up to how many somebody has accepted, 0 if nobody has.
    """

    field: str
    code: str
    records: int
    of: int
    accepted: int


class GapsMixin(LedgerConnection):
    """What quarantines a partition's records."""

    @retried
    def caught(self, partition_date: date, kind: Kind) -> list[Caught]:
        """Returns what each rule of each field catches, most first."""
        records = func.count().label("records")
        accepted = (
            select(func.max(ACCEPTED_GAPS.c.record_count))
            .where(
                *of_partition(ACCEPTED_GAPS, partition_date, kind),
                ACCEPTED_GAPS.c.field == FINDINGS.c.field,
                ACCEPTED_GAPS.c.code == FINDINGS.c.code,
            )
            .scalar_subquery()
        )
        all_records = (
            select(func.count())
            .where(*of_partition(NEWEST, partition_date, kind), NEWEST.c.disposition != REPLACED)
            .scalar_subquery()
        )
        same_record = and_(
            CLAIMS.c.kind == FINDINGS.c.kind, CLAIMS.c.record_id == FINDINGS.c.record_id
        )
        query = (
            select(
                FINDINGS.c.field,
                FINDINGS.c.code,
                records,
                all_records,
                func.coalesce(accepted, 0),
            )
            .join(CLAIMS, same_record)
            .where(
                *of_partition(CLAIMS, partition_date, kind),
                CLAIMS.c.disposition != REPLACED,
                FINDINGS.c.is_quarantining,
            )
            .group_by(FINDINGS.c.field, FINDINGS.c.code)
            .order_by(records.desc(), FINDINGS.c.field, FINDINGS.c.code)
        )
        with self.reading() as connection:
            return [Caught(*row) for row in connection.execute(query)]

    @retried
    def accept(
        self,
        partition_date: date,
        kind: Kind,
        caught: Caught,
        *,
        accepted_by: str,
        reason: str,
        accepted_at: datetime,
    ) -> None:
        """Records who accepts that a rule catches so many records, and why."""
        with self.transaction() as connection:
            connection.execute(
                insert(ACCEPTED_GAPS).values(
                    partition_date=partition_date,
                    kind=kind.name,
                    field=caught.field,
                    code=caught.code,
                    record_count=caught.records,
                    accepted_by=accepted_by,
                    reason=reason,
                    accepted_at=accepted_at,
                )
            )
