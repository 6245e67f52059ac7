"""Who has looked up a veteran's contact details, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the table of look-ups."""
    op.create_table(
        "contact_lookups",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("user_profile_id", IDENTIFIER, nullable=False),
        sa.Column("looked_up_by", sa.String(), nullable=False),
        sa.Column("looked_up_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
