"""One look at the claims of a statement, where there were two.

Whether they have a file, and whether that is frozen, is asked of the same few partitions.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BEFORE = ("claims_frozen_insert_new", "claims_file_insert")
CLAIMED = """
DECLARE given bigint; of_a_file bigint; delivered bigint;
BEGIN
    WITH named AS (SELECT DISTINCT kind, partition_date FROM changed),
        found AS (SELECT FROM named JOIN files USING (kind, partition_date) FOR KEY SHARE OF files)
    SELECT (SELECT count(*) FROM named), (SELECT count(*) FROM found),
        (SELECT count(*) FROM named JOIN deliveries USING (kind, partition_date))
    INTO given, of_a_file, delivered;
    IF given <> of_a_file THEN
        RAISE EXCEPTION 'claims: of no file' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF delivered > 0 THEN
        RAISE EXCEPTION 'claims: delivered, therefore frozen';
    END IF;
    RETURN NULL;
END"""


def upgrade() -> None:
    """Replaces two triggers of PostgreSQL; SQLite has a foreign key and a trigger a row."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for name in BEFORE:
        op.execute(f"DROP TRIGGER {name} ON claims")
        op.execute(f"DROP FUNCTION {name}()")
    op.execute(f"CREATE FUNCTION claims_insert() RETURNS trigger LANGUAGE plpgsql AS $${CLAIMED}$$")
    op.execute(
        "CREATE TRIGGER claims_insert AFTER INSERT ON claims"
        " REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION claims_insert()"
    )
