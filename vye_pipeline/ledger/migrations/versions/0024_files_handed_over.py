"""Files that a person carries to BDN: the steps of it, and how each delivered file got there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the table, and the way to the receipts: all were put until now."""
    op.create_table(
        "hand_overs",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("try_id", IDENTIFIER, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("note", sa.String()),
        sa.Column("done_by", sa.String(), nullable=False),
        sa.Column("database_user", sa.String()),
        sa.Column("done_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("step IN ('begun', 'confirmed', 'withdrawn')", name="step"),
        sa.CheckConstraint("(step = 'begun') = (note IS NULL)", name="note"),
        sa.ForeignKeyConstraint(["try_id"], ["tries.id"]),
        sa.ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("hand_overs_by_partition", "hand_overs", ["partition_date", "kind"])
    op.execute(  # SQLite takes a column with its check, and no check later
        "ALTER TABLE deliveries ADD COLUMN way VARCHAR DEFAULT 'put' NOT NULL"
        " CONSTRAINT deliveries_way CHECK (way IN ('put', 'by hand'))"
    )
