"""Claims are found by their day first.

By the kind first, SQLite took a range of days to be narrower than one day, and looked through all
days of a page for each of its files.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

NAME, COLUMNS = "claims_by_partition", ["partition_date", "kind"]
BY_BLOCKS = {"pages_per_range": 32}


def upgrade() -> None:
    """Makes the index anew; PostgreSQL notes by blocks, whatever the order is."""
    op.drop_index(NAME, "claims")
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(NAME, "claims", COLUMNS, postgresql_using="brin", postgresql_with=BY_BLOCKS)
    else:
        op.create_index(NAME, "claims", COLUMNS)
