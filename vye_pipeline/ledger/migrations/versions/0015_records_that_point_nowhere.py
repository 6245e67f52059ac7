"""A record without profile, user_info, clone or time can be claimed, so that it is reported.

Until now the query that reads the records had to leave it out. It can only be quarantined: a line
always has all four.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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
        _rewrite_declaration()


def _rewrite_declaration() -> None:
    """Drops NOT NULL as https://www.sqlite.org/lang_altertable.html, section 7, describes it.

    The rows stay as they are. To copy the table would take its triggers and its findings along.
    """
    connection = op.get_bind()
    table = {"name": "claims"}
    declared = str(
        connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), table)
    )
    lines = declared.splitlines()
    relaxed = [
        line.replace(" NOT NULL", "") if line.split()[0].strip('"') in COLUMNS else line
        for line in lines
    ]
    version = int(connection.scalar(sa.text("PRAGMA schema_version")) or 0)
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"),
        table | {"sql": "\n".join(relaxed)},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = RESET"))
