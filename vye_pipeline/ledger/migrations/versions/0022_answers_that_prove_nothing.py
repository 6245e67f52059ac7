"""Acknowledgements that count for nothing, since they are of a time when BDN had no file of ours.

Those on record were counted, and go on counting.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds why an acknowledgement is ignored, and by how much it is early."""
    with op.batch_alter_table("acknowledgements") as table:
        table.add_column(sa.Column("ignored_because", sa.String()))
        table.add_column(sa.Column("hours_early", sa.Integer()))
        table.create_check_constraint("ignored_because", "ignored_because IN ('early', 'future')")
        table.create_check_constraint(
            "hours_early",
            "(hours_early IS NOT NULL) = (COALESCE(ignored_because, '') = 'early')",
        )
