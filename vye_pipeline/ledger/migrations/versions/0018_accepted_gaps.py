"""What one rule catches of a day's records, and somebody has accepted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = ("field", "code", "accepted_by", "reason")


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "accepted_gaps",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in TEXTS),
        sa.Column("record_count", IDENTIFIER, nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("accepted_gaps_by_partition", "accepted_gaps", ["partition_date", "kind"])
