"""Claims of many records at once: one look at the file for all of them, and an index less.

A foreign key looks the file up once a row. All rows of a claim have the same file, so on PostgreSQL
the same is checked once a statement, from both sides, with the lock that a foreign key takes.
A record's clone is found by the partitions that have read it.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import inspect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OF_NO_FILE = """
DECLARE of_a_file bigint; given bigint;
BEGIN
    WITH named AS (SELECT DISTINCT kind, partition_date FROM changed),
        found AS (SELECT FROM named JOIN files USING (kind, partition_date) FOR KEY SHARE OF files)
    SELECT (SELECT count(*) FROM named), (SELECT count(*) FROM found) INTO given, of_a_file;
    IF given <> of_a_file THEN
        RAISE EXCEPTION 'claims: of no file' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END"""
STILL_CLAIMED = """
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT kind, partition_date FROM changed
                     EXCEPT SELECT kind, partition_date FROM files) AS gone
        JOIN claims USING (kind, partition_date)
    ) THEN
        RAISE EXCEPTION 'files: still claimed' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END"""
CHECKS = (
    ("claims", "INSERT", "NEW", OF_NO_FILE),
    ("claims", "UPDATE", "NEW", OF_NO_FILE),
    ("files", "UPDATE", "OLD", STILL_CLAIMED),
    ("files", "DELETE", "OLD", STILL_CLAIMED),
)


def upgrade() -> None:
    """Drops the index, and on PostgreSQL replaces the foreign key."""
    op.drop_index("claims_by_clone", "claims")
    if op.get_bind().dialect.name == "postgresql":
        _replace_foreign_key()


def _replace_foreign_key() -> None:
    (key,) = inspect(op.get_bind()).get_foreign_keys("claims")
    op.drop_constraint(str(key["name"]), "claims", type_="foreignkey")
    for table, change, row, body in CHECKS:
        name = f"{table}_file_{change}".lower()
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        op.execute(
            f"CREATE TRIGGER {name} AFTER {change} ON {table}"
            f" REFERENCING {row} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
