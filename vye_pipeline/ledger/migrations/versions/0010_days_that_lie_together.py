"""A day's rows are found where they lie, and reconciliations have no numbers.

A day's rows are written together and lie together: PostgreSQL notes which days a range of blocks
holds, in a tenth of the time that a tree takes. A reconciliation needs no number: a record has one
that holds, and the unexpected lines of a partition change all at once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HOLDS = sa.text("replaced_at IS NULL")
IS_OPEN = sa.text("replaced_at IS NULL AND status NOT IN ('acknowledged', 'superseded')")
IS_FIRST_LINE = sa.text("line_number = 1")
BY_BLOCKS = {"pages_per_range": 32}  # a question reads some 2,500 rows at least
# Autovacuum notes the days of new blocks, and makes room where rows were replaced, at latest after
# so many: else room for rows of today would be found all over the history.
SOON = (
    "autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, "
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000"
)
BY_PARTITION = {
    "claims": ["kind", "partition_date"],
    "reconciliations": ["partition_date", "kind"],
}


def upgrade() -> None:
    """Drops the numbers, and on PostgreSQL replaces the trees."""
    if op.get_bind().dialect.name == "sqlite":
        _make_reconciliations_anew()
    else:
        _find_by_blocks()
    op.create_index(
        "reconciliations_first_lines",
        "reconciliations",
        ["partition_date", "kind"],
        sqlite_where=IS_FIRST_LINE,
        postgresql_where=IS_FIRST_LINE,
    )


def _find_by_blocks() -> None:
    op.drop_column("reconciliations", "id")
    # What replicates the ledger knows a row by its key, and here by all of it.
    op.execute("ALTER TABLE reconciliations REPLICA IDENTITY FULL")
    for table, columns in BY_PARTITION.items():
        name = f"{table}_by_partition"
        op.drop_index(name, table)
        op.create_index(name, table, columns, postgresql_using="brin", postgresql_with=BY_BLOCKS)
        op.execute(f"ALTER TABLE {table} SET ({SOON})")


def _make_reconciliations_anew() -> None:
    """SQLite can't drop a primary key from a table."""
    op.rename_table("reconciliations", "reconciliations_before")
    for suffix in ("by_partition", "by_record", "open"):
        op.drop_index(f"reconciliations_{suffix}", "reconciliations_before")
    op.create_table(
        "reconciliations",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", IDENTIFIER),
        sa.Column("user_profile_id", IDENTIFIER),
        sa.Column("line_number", IDENTIFIER),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String()),
        sa.Column("fields", sa.String()),
        sa.Column("acknowledgement_key", sa.String()),
        sa.Column("reconciled_at", UtcDateTime(), nullable=False),
        sa.Column("replaced_at", UtcDateTime()),
        sa.CheckConstraint("(record_id IS NULL) = (status = 'unexpected')", name="unexpected"),
    )
    columns = (
        "partition_date, kind, record_id, user_profile_id, line_number, status, reason_code, "
        "fields, acknowledgement_key, reconciled_at, replaced_at"
    )
    op.execute(
        f"INSERT INTO reconciliations ({columns}) SELECT {columns} FROM reconciliations_before "  # noqa: S608 - no outside text
        "ORDER BY id"
    )
    op.drop_table("reconciliations_before")
    op.create_index(
        "reconciliations_by_partition", "reconciliations", BY_PARTITION["reconciliations"]
    )
    op.create_index(
        "reconciliations_by_record",
        "reconciliations",
        ["kind", "record_id"],
        unique=True,
        sqlite_where=HOLDS,
    )
    op.create_index(
        "reconciliations_open",
        "reconciliations",
        ["partition_date", "kind"],
        sqlite_where=IS_OPEN,
    )
