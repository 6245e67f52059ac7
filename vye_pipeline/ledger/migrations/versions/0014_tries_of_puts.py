"""Every try of a put, with how it ended: an answer from before the first of them isn't ours.

A ledger of an earlier revision knows of one try a delivery: the one that its receipt is of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = "partition_date, kind, revision, fingerprint, begun_at, ended_at, outcome"


def upgrade() -> None:
    """Makes the table, and a row for each receipt and redelivery."""
    op.create_table(
        "tries",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("revision", IDENTIFIER, nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.CheckConstraint("outcome IN ('succeeded', 'refused', 'unknown')", name="outcome"),
        sa.ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tries_by_partition", "tries", ["partition_date", "kind"])
    op.execute(
        f"INSERT INTO tries ({COLUMNS})"  # noqa: S608 - no outside text
        " SELECT partition_date, kind, 1, sha256, delivered_at, delivered_at, 'succeeded'"
        " FROM deliveries"
    )
    op.execute(
        f"INSERT INTO tries ({COLUMNS})"  # noqa: S608 - no outside text
        " SELECT partition_date, kind, revision, sha256, requested_at, redelivered_at,"
        " CASE WHEN redelivered_at IS NULL THEN 'unknown' ELSE 'succeeded' END FROM redeliveries"
    )
