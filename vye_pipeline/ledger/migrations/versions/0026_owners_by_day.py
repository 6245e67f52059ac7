"""What a day owns is found by the day.

Whether a failed day is closed is asked of each failure (`is_closed`); without an index all clones
that VYE has ever closed are looked through for each.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

NAME = "owners_by_partition"


def upgrade() -> None:
    """Makes the index."""
    op.create_index(NAME, "owners", ["partition_date", "kind"])
