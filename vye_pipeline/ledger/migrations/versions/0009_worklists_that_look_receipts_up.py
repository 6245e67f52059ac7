"""The worklist's view made anew: it looks a receipt up for each row, in place of joining them."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes no table: each upgrade makes the views anew (ledger/schema.py)."""
