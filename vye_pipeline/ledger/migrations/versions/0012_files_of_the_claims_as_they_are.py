"""A file is announced for the claims it is made of, and the lines of a file have no gaps.

Until now a file of which a line was overtaken was still announced, and its other lines kept their
numbers: one that was rendered again from them had lines that the ledger knew by other numbers.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FROZEN = ("claims_frozen_UPDATE_OLD", "claims_frozen_UPDATE_NEW")
TAKE_BACK = """
UPDATE files SET sha256 = NULL, byte_count = NULL, line_count = NULL
FROM (
    SELECT files.kind, files.partition_date, files.line_count, count(claims.record_id) AS lines
    FROM files
    LEFT JOIN deliveries ON deliveries.kind = files.kind
        AND deliveries.partition_date = files.partition_date
    LEFT JOIN claims ON claims.kind = files.kind
        AND claims.partition_date = files.partition_date AND claims.disposition = 'line'
    WHERE deliveries.kind IS NULL AND files.sha256 IS NOT NULL
    GROUP BY files.kind, files.partition_date, files.line_count
) AS made
WHERE files.kind = made.kind AND files.partition_date = made.partition_date
    AND made.line_count <> made.lines"""
NUMBER_ANEW = """
UPDATE claims SET line_number = numbered.number
FROM (
    SELECT kind, record_id,
        row_number() OVER (PARTITION BY kind, partition_date ORDER BY line_number) AS number
    FROM claims
    WHERE disposition = 'line' AND (kind, partition_date) IN (
        SELECT claims.kind, claims.partition_date
        FROM claims
        LEFT JOIN deliveries ON deliveries.kind = claims.kind
            AND deliveries.partition_date = claims.partition_date
        WHERE claims.disposition = 'line'
        GROUP BY claims.kind, claims.partition_date, deliveries.line_count
        HAVING max(claims.line_number) <> count(*)
            AND COALESCE(deliveries.line_count, count(*)) = count(*)
    )
) AS numbered
WHERE claims.kind = numbered.kind AND claims.record_id = numbered.record_id
    AND claims.line_number <> numbered.number"""


def upgrade() -> None:
    """Takes such files back, and numbers the lines as they stand in the file, sent or not."""
    version = sa.Column("claims_version", IDENTIFIER, nullable=False, server_default="1")
    op.add_column("files", version)
    op.execute(TAKE_BACK)
    _behind_the_back_of_what_freezes(NUMBER_ANEW)


def _behind_the_back_of_what_freezes(statement: str) -> None:
    if op.get_bind().dialect.name != "sqlite":
        for trigger in FROZEN:
            op.execute(f"ALTER TABLE claims DISABLE TRIGGER {trigger}")
        op.execute(statement)
        for trigger in FROZEN:
            op.execute(f"ALTER TABLE claims ENABLE TRIGGER {trigger}")
        return
    named = sa.text("SELECT sql FROM sqlite_master WHERE name = :name")
    triggers = [str(op.get_bind().scalar(named, {"name": trigger})) for trigger in FROZEN]
    for trigger in FROZEN:
        op.execute(f"DROP TRIGGER {trigger}")
    op.execute(statement)
    for trigger in triggers:
        op.execute(trigger)
