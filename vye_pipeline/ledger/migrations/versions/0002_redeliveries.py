"""Files that BDN asked for again, and acknowledgements to any revision of a file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.sql.engines import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DONE = "OLD.redelivered_at IS NOT NULL"
FROZEN = "redeliveries: done, therefore frozen"


def upgrade() -> None:
    """Makes the table of redeliveries and tells acknowledgements of different revisions apart."""
    op.create_table(
        "redeliveries",
        sa.Column("partition_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("revision", IDENTIFIER, nullable=False),
        sa.Column("object_key", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("redelivered_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("revision >= 2", name="revision"),
        sa.ForeignKeyConstraint(
            ["partition_date", "kind"],
            ["deliveries.partition_date", "deliveries.kind"],
        ),
        sa.PrimaryKeyConstraint("partition_date", "kind", "revision"),
        sa.UniqueConstraint("object_key"),
    )
    _add_columns_of_acknowledgements()
    freeze = _freeze_sqlite if op.get_bind().dialect.name == "sqlite" else _freeze_postgresql
    freeze()


def _add_columns_of_acknowledgements() -> None:
    with op.batch_alter_table("acknowledgements") as table:
        table.add_column(sa.Column("revision", IDENTIFIER, nullable=False, server_default="1"))
        table.add_column(sa.Column("read_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE acknowledgements SET read_at = recorded_at")
    with op.batch_alter_table("acknowledgements") as table:
        table.alter_column("read_at", existing_type=UtcDateTime(), nullable=False)
        table.alter_column("revision", existing_type=IDENTIFIER, server_default=None)
        table.drop_constraint("acknowledgements_key", type_="primary")
        table.create_primary_key(
            "acknowledgements_key", ["partition_date", "kind", "revision", "sequence", "sha256"]
        )


def _freeze_sqlite() -> None:
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER redeliveries_frozen_{change} BEFORE {change} ON redeliveries"
            f" WHEN {DONE} BEGIN SELECT RAISE(ABORT, '{FROZEN}'); END"
        )


def _freeze_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION redeliveries_frozen() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{FROZEN}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER redeliveries_frozen BEFORE UPDATE OR DELETE ON redeliveries"
        f" FOR EACH ROW WHEN ({DONE}) EXECUTE FUNCTION redeliveries_frozen()"
    )
