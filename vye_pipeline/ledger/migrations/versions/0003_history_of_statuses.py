"""Every change of a record's status is kept, and every closing of an item by a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_AGO = "1970-01-01 00:00:00.000000"


def upgrade() -> None:
    """Gives statuses and resolutions a history, and files the time they were read first."""
    _keep_statuses()
    _keep_resolutions()
    _keep_first_claims()


def _keep_statuses() -> None:
    op.drop_index("reconciliations_by_record", "reconciliations")
    op.add_column("reconciliations", sa.Column("replaced_at", UtcDateTime(), nullable=True))
    op.create_index(
        "reconciliations_by_record",
        "reconciliations",
        ["kind", "record_id"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )


def _keep_resolutions() -> None:
    op.rename_table("resolutions", "resolutions_before")
    op.create_table(
        "resolutions",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("user_profile_id", IDENTIFIER, nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="resolutions_by_id"),
    )
    op.create_index("resolutions_by_partition", "resolutions", ["partition_date", "kind"])
    columns = "partition_date, kind, user_profile_id, resolved_at, resolved_by, note"
    op.execute(f"INSERT INTO resolutions ({columns}) SELECT {columns} FROM resolutions_before")  # noqa: S608 - no outside text
    op.drop_table("resolutions_before")


def _keep_first_claims() -> None:
    """Adds the column behind the back of the trigger that freezes delivered files."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    frozen = "files_frozen_UPDATE_OLD" if is_sqlite else "files_frozen_update_old"
    op.add_column(
        "files",
        sa.Column("first_claimed_at", UtcDateTime(), nullable=False, server_default=LONG_AGO),
    )
    if is_sqlite:
        named = sa.text("SELECT sql FROM sqlite_master WHERE name = :name")
        trigger = op.get_bind().scalar(named, {"name": frozen})
        op.execute(f"DROP TRIGGER {frozen}")
        op.execute("UPDATE files SET first_claimed_at = claimed_at")
        op.execute(str(trigger))
    else:
        op.execute(f"ALTER TABLE files DISABLE TRIGGER {frozen}")
        op.execute("UPDATE files SET first_claimed_at = claimed_at")
        op.execute(f"ALTER TABLE files ENABLE TRIGGER {frozen}")
