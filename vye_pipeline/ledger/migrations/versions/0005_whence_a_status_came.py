"""From which acknowledgement a status came, and the acknowledgements that answer to nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column and the table."""
    op.add_column("reconciliations", sa.Column("acknowledgement_key", sa.String()))
    op.create_table(
        "orphaned_acknowledgements",
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("snapshot_name", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("object_key"),
    )
