"""Failures of the snapshots and the ledger have causes of their own; decisions are on record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CAUSES = "cause IN ('upload', 'source', 'storage', 'ledger', 'defect')"


def upgrade() -> None:
    """Widens the check on causes and makes the table of decisions."""
    with op.batch_alter_table("failures") as table:
        table.drop_constraint(op.f("failures_cause"), type_="check")
        table.create_check_constraint("cause", CAUSES)
    op.create_table(
        "decisions",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("database_user", sa.String(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('delivered', 'not delivered', 'disowned')", name="decision"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
