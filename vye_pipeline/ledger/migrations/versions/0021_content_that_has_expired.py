"""Files whose content has expired."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "expiries",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("expired_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partition_date", "kind"], ["deliveries.partition_date", "deliveries.kind"]
        ),
        sa.PrimaryKeyConstraint("partition_date", "kind"),
    )
