"""The first tables, and the triggers that freeze what was delivered."""

from __future__ import annotations

import csv
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REASON_CODES = Path(__file__).parents[2] / "reason_codes.csv"

# Which changes of which table are refused, and the condition on the row that is changed.
DELIVERED = (
    "EXISTS (SELECT 1 FROM deliveries WHERE deliveries.kind = {row}.kind"
    " AND deliveries.partition_date = {row}.partition_date)"
)
FROZEN = (
    ("claims", "INSERT", "NEW", DELIVERED),
    ("claims", "UPDATE", "OLD", DELIVERED),
    ("claims", "UPDATE", "NEW", DELIVERED),
    ("claims", "DELETE", "OLD", DELIVERED),
    ("files", "UPDATE", "OLD", DELIVERED),
    ("files", "DELETE", "OLD", DELIVERED),
    ("deliveries", "UPDATE", "OLD", "{row}.kind IS NOT NULL"),
    ("deliveries", "DELETE", "OLD", "{row}.kind IS NOT NULL"),
)


def upgrade() -> None:
    """Makes the tables, fills in the known reason codes and freezes what is delivered."""
    _create_tables()
    _insert_reason_codes()
    freeze = _freeze_sqlite if op.get_bind().dialect.name == "sqlite" else _freeze_postgresql
    freeze()


def _create_tables() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sequence", IDENTIFIER, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("snapshot_name", sa.String(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), nullable=True),
        sa.Column("lines_received", IDENTIFIER, nullable=False),
        sa.Column("accepted_count", IDENTIFIER, nullable=False),
        sa.Column("rejected_count", IDENTIFIER, nullable=False),
        sa.PrimaryKeyConstraint("partition_date", "kind", "sequence", "sha256"),
    )
    op.create_table(
        "failures",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("failed_at", UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("is_transient", sa.Boolean(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("next_step", sa.String(), nullable=False),
        sa.Column("record_count", IDENTIFIER, nullable=False),
        sa.Column("profile_count", IDENTIFIER, nullable=False),
        sa.CheckConstraint("cause IN ('upload', 'source', 'defect')", name="cause"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("failures_by_partition", "failures", ["partition_date", "kind"], unique=False)
    op.create_table(
        "files",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("snapshot_name", sa.String(), nullable=False),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("byte_count", IDENTIFIER, nullable=True),
        sa.Column("line_count", IDENTIFIER, nullable=True),
        sa.PrimaryKeyConstraint("partition_date", "kind"),
        sa.UniqueConstraint("object_key"),
    )
    op.create_table(
        "reason_codes",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("meaning", sa.String(), nullable=False),
        sa.Column("suggested_action", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", IDENTIFIER, nullable=True),
        sa.Column("user_profile_id", IDENTIFIER, nullable=True),
        sa.Column("line_number", IDENTIFIER, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), nullable=True),
        sa.Column("fields", sa.String(), nullable=True),
        sa.Column("reconciled_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("(record_id IS NULL) = (status = 'unexpected')", name="unexpected"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "reconciliations_by_partition",
        "reconciliations",
        ["partition_date", "kind"],
        unique=False,
    )
    op.create_index(
        "reconciliations_by_record",
        "reconciliations",
        ["kind", "record_id"],
        unique=True,
    )
    op.create_table(
        "resolutions",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("user_profile_id", IDENTIFIER, nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_by", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("partition_date", "kind", "user_profile_id"),
    )
    op.create_table(
        "claims",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", IDENTIFIER, nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("user_info_id", IDENTIFIER, nullable=False),
        sa.Column("user_profile_id", IDENTIFIER, nullable=False),
        sa.Column("bdn_clone_id", IDENTIFIER, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("transact_date", sa.Date(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("line_number", IDENTIFIER, nullable=True),
        sa.Column("is_vanished", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(disposition = 'line') = (line_number IS NOT NULL)", name="line_number"
        ),
        sa.CheckConstraint(
            "disposition IN ('line', 'quarantined', 'replaced', 'superseded')",
            name="disposition",
        ),
        sa.ForeignKeyConstraint(
            ["partition_date", "kind"],
            ["files.partition_date", "files.kind"],
        ),
        sa.PrimaryKeyConstraint("kind", "record_id"),
    )
    op.create_index("claims_by_clone", "claims", ["kind", "bdn_clone_id"], unique=False)
    op.create_index("claims_by_partition", "claims", ["kind", "partition_date"], unique=False)
    op.create_index("claims_by_profile", "claims", ["kind", "user_profile_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("byte_count", IDENTIFIER, nullable=False),
        sa.Column("line_count", IDENTIFIER, nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partition_date", "kind"],
            ["files.partition_date", "files.kind"],
        ),
        sa.PrimaryKeyConstraint("partition_date", "kind"),
        sa.UniqueConstraint("object_key"),
    )
    op.create_table(
        "partition_clones",
        sa.Column("bdn_clone_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partition_date", "kind"],
            ["files.partition_date", "files.kind"],
        ),
        sa.PrimaryKeyConstraint("bdn_clone_id", "kind", "partition_date"),
    )
    op.create_table(
        "findings",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", IDENTIFIER, nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("is_quarantining", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["kind", "record_id"],
            ["claims.kind", "claims.record_id"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("kind", "record_id", "field", "code"),
    )


def _insert_reason_codes() -> None:
    table = sa.table(
        "reason_codes",
        *(sa.column(name) for name in ("code", "meaning", "suggested_action")),
    )
    with REASON_CODES.open(encoding="utf-8", newline="") as lines:
        op.bulk_insert(table, list(csv.DictReader(lines)))


def _freeze_sqlite() -> None:
    for table, change, row, condition in FROZEN:
        op.execute(
            f"CREATE TRIGGER {table}_frozen_{change}_{row} BEFORE {change} ON {table}"
            f" WHEN {condition.format(row=row)}"
            f" BEGIN SELECT RAISE(ABORT, '{table}: delivered, therefore frozen'); END"
        )


def _freeze_postgresql() -> None:
    """Checks whole statements, by their transition tables: a trigger a row would be slow."""
    for table, change, row, condition in FROZEN:
        name = f"{table}_frozen_{change}_{row}".lower()
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"  # noqa: S608 - no outside text
            " IF EXISTS (SELECT 1"
            " FROM (SELECT DISTINCT kind, partition_date FROM changed) AS frozen"
            f" WHERE {condition.format(row='frozen')})"
            f" THEN RAISE EXCEPTION '{table}: delivered, therefore frozen'; END IF;"
            f" RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER {change} ON {table}"
            f" REFERENCING {row} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
