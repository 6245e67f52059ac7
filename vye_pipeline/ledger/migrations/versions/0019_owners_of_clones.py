"""A clone belongs to the partition in whose time VYE closed it, and the ledger remembers that.

Of the clones that partitions have read until now only the reader is known: it is the owner, and its
cut-off stands for the closing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CUT_OFF = time(5, 45, tzinfo=ZoneInfo("America/New_York"))
FIRST_READ = """
SELECT partition_clones.bdn_clone_id, partition_clones.kind,
    min(partition_clones.partition_date) AS partition_date,
    min(files.first_claimed_at) AS first_seen_at
FROM partition_clones
JOIN files ON files.kind = partition_clones.kind
    AND files.partition_date = partition_clones.partition_date
GROUP BY partition_clones.bdn_clone_id, partition_clones.kind
ORDER BY partition_clones.bdn_clone_id, partition_date"""
COUNT = """
UPDATE partition_clones SET record_count = claimed.record_count,
    record_id_sum = claimed.record_id_sum
FROM (
    SELECT kind, partition_date, bdn_clone_id, count(*) AS record_count,
        CAST(sum(record_id) AS bigint) AS record_id_sum
    FROM claims GROUP BY kind, partition_date, bdn_clone_id
) AS claimed
WHERE partition_clones.kind = claimed.kind
    AND partition_clones.partition_date = claimed.partition_date
    AND partition_clones.bdn_clone_id = claimed.bdn_clone_id"""


def upgrade() -> None:
    """Makes the tables, and fills them from the readers of clones."""
    closings = op.create_table(
        "closings",
        sa.Column("bdn_clone_id", IDENTIFIER),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("bdn_clone_id"),
    )
    owners = op.create_table(
        "owners",
        sa.Column("bdn_clone_id", IDENTIFIER),
        sa.Column("kind", sa.String()),
        sa.Column("partition_date", sa.Date()),
        sa.PrimaryKeyConstraint("bdn_clone_id", "kind"),
        sa.ForeignKeyConstraint(["bdn_clone_id"], ["closings.bdn_clone_id"]),
    )
    op.create_table(
        "releases",
        sa.Column("id", IDENTIFIER, autoincrement=True),
        sa.Column("bdn_clone_id", IDENTIFIER, nullable=False),
        sa.Column("export_ready", sa.Boolean()),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("released_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["bdn_clone_id"], ["closings.bdn_clone_id"]),
    )
    for name in ("record_count", "record_id_sum"):
        column = sa.Column(name, IDENTIFIER, nullable=False, server_default="0")
        op.add_column("partition_clones", column)
    op.execute(COUNT)
    typed = sa.text(FIRST_READ).columns(partition_date=sa.Date(), first_seen_at=UtcDateTime())
    rows = [row._mapping for row in op.get_bind().execute(typed)]
    first = {row["bdn_clone_id"]: row for row in reversed(rows)}
    op.bulk_insert(closings, [_closing(row) for row in first.values()])
    names = ("bdn_clone_id", "kind", "partition_date")
    op.bulk_insert(owners, [{name: row[name] for name in names} for row in rows])


def _closing(row: sa.RowMapping) -> dict[str, object]:
    day: date = row["partition_date"]
    return {
        "bdn_clone_id": row["bdn_clone_id"],
        "closed_at": datetime.combine(day, CUT_OFF).astimezone(UTC),
        "first_seen_at": row["first_seen_at"],
    }
