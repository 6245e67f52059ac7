"""BDN's nightly feeds that were read, and what they say of records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the two tables."""
    op.create_table(
        "feeds",
        sa.Column("feed_date", sa.Date(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("snapshot_name", sa.String(), nullable=False),
        sa.Column("line_count", IDENTIFIER, nullable=False),
        sa.Column("unreadable_count", IDENTIFIER, nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("feed_date", "sha256"),
    )
    op.create_table(
        "evidence",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", IDENTIFIER, nullable=False),
        sa.Column("feed_date", sa.Date(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("fields", sa.String()),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["kind", "record_id"], ["claims.kind", "claims.record_id"]),
        sa.CheckConstraint(
            "evidence IN ('confirmed_by_feed', 'contradicted_by_feed')",
            name="evidence",
        ),
        sa.PrimaryKeyConstraint("kind", "record_id", "feed_date"),
    )
