"""An index of the records that are neither acknowledged nor superseded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IS_OPEN = sa.text("replaced_at IS NULL AND status NOT IN ('acknowledged', 'superseded')")


def upgrade() -> None:
    """Makes the index."""
    op.create_index(
        "reconciliations_open",
        "reconciliations",
        ["partition_date", "kind"],
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    )
