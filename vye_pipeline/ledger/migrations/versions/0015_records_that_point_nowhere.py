"""A record without profile, user_info, clone or time can be claimed, so that it is reported.

Until now the query that reads the records had to leave it out. It can only be quarantined: a line
always has all four.
"""

from __future__ import annotations

from alembic import op

from vye_pipeline.ledger.migrations.declarations import redeclare

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = ("user_info_id", "user_profile_id", "bdn_clone_id", "created_at")


def upgrade() -> None:
    """Lets the columns be null; their values stay."""
    if op.get_bind().dialect.name == "postgresql":
        for name in COLUMNS:
            op.alter_column("claims", name, nullable=True)
    else:
        redeclare(op.get_bind(), "claims", _relaxed)


def _relaxed(declared: str) -> str:
    return "\n".join(
        line.replace(" NOT NULL", "") if line.split()[0].strip('"') in COLUMNS else line
        for line in declared.splitlines()
    )
