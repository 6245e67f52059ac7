"""Records that an operator holds back, and the decisions to hold and release.

A held record is in no file. So it may leave a delivered partition: once it is released, the next
day that runs claims it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from vye_pipeline.ledger.migrations.declarations import redeclare
from vye_pipeline.sql.engines import UtcDateTime

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BEFORE, AFTER = "'replaced', 'superseded')", "'replaced', 'superseded', 'held')"
DISPOSITIONS = "disposition IN ('line', 'quarantined', 'replaced', 'superseded', 'held')"
SQLITE_STAYS = """
CREATE TRIGGER claims_frozen_DELETE_OLD BEFORE DELETE ON claims
WHEN OLD.disposition <> 'held' AND EXISTS (
    SELECT 1 FROM deliveries
    WHERE deliveries.kind = OLD.kind AND deliveries.partition_date = OLD.partition_date
)
BEGIN SELECT RAISE(ABORT, 'claims: delivered, therefore frozen'); END"""
STAYS = """
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT kind, partition_date FROM changed WHERE disposition <> 'held')
            AS sent
        JOIN deliveries USING (kind, partition_date)
    ) THEN
        RAISE EXCEPTION 'claims: delivered, therefore frozen';
    END IF;
    RETURN NULL;
END"""


def upgrade() -> None:
    """Adds the table and the disposition, and lets held claims leave a delivered partition."""
    op.create_table(
        "holds",
        sa.Column("id", IDENTIFIER, autoincrement=True, nullable=False),
        sa.Column("user_profile_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("database_user", sa.String()),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("holds_by_profile", "holds", ["kind", "user_profile_id"])
    if op.get_bind().dialect.name == "sqlite":
        redeclare(op.get_bind(), "claims", lambda declared: declared.replace(BEFORE, AFTER))
        op.execute("DROP TRIGGER claims_frozen_DELETE_OLD")
        op.execute(SQLITE_STAYS)
        return
    op.drop_constraint("disposition", "claims", type_="check")
    op.create_check_constraint("disposition", "claims", DISPOSITIONS)
    op.execute(
        "CREATE OR REPLACE FUNCTION claims_frozen_delete_old() RETURNS trigger LANGUAGE plpgsql"
        f" AS $${STAYS}$$"
    )
