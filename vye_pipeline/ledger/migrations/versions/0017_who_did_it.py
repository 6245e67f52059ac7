"""Who did it: what people have set going, and the database's own word beside theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SIGNED = ("contact_lookups", "redeliveries", "resolutions")


def upgrade() -> None:
    """Makes the table of actions, and a column for the session's user."""
    op.create_table(
        "actions",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("database_user", sa.String(), nullable=True),
        sa.Column("acted_at", UtcDateTime(), nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=True),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    for table in SIGNED:
        op.add_column(table, sa.Column("database_user", sa.String(), nullable=True))
