"""Fingerprints take the place of plain digests, which give the values of a short file away.

The fingerprints' key lies among the snapshots; it is asked for only if there are rows.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import context, op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DIGESTS = (
    "files", "deliveries", "redeliveries", "acknowledgements", "orphaned_acknowledgements", "feeds",
)  # fmt: skip
NAMES = ("files", "acknowledgements", "orphaned_acknowledgements", "feeds")
FROZEN = ("files", "deliveries", "redeliveries")


def upgrade() -> None:
    """Renames the columns, and writes every value anew."""
    for table in DIGESTS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN sha256 TO fingerprint")
    rekeying = context.config.attributes["rekeying"]
    changes: list[tuple[str, str, Callable[[str], str]]] = [
        *((table, "fingerprint", rekeying.fingerprint) for table in (*DIGESTS, "tries")),
        *((table, "snapshot_name", rekeying.name) for table in NAMES),
        ("failures", "what", rekeying.words),
    ]
    if not any(_values(table, column) for table, column, _ in changes):
        return
    rekeying.copy_snapshots()
    triggers = _stop_freezing()
    for table, column, changed in changes:
        _rewrite(table, column, changed)
    _freeze_again(triggers)
    for table, column, _ in changes:
        _forget_old_rows(table, column)
    rekeying.remove_old_snapshots()


def _values(table: str, column: str) -> list[str]:
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - no outside text
    return list(op.get_bind().scalars(sa.text(query)))


def _rewrite(table: str, column: str, changed: Callable[[str], str]) -> None:
    statement = sa.text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")  # noqa: S608 - no outside text
    for old in _values(table, column):
        new = changed(old)
        if new != old:
            op.get_bind().execute(statement, {"old": old, "new": new})


def _forget_old_rows(table: str, column: str) -> None:
    """Has PostgreSQL write a table anew, so that its files keep no row as it was before."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar USING {column} || ''")


def _stop_freezing() -> list[str]:
    """Takes the triggers away; returns what makes those of SQLite again."""
    if op.get_bind().dialect.name != "sqlite":
        for table in FROZEN:
            op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return []
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
    triggers = [
        tuple(row)
        for table in FROZEN
        for row in op.get_bind().execute(sa.text(query), {"table": table})
    ]
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    return [made_by for _, made_by in triggers]


def _freeze_again(triggers: list[str]) -> None:
    for made_by in triggers:
        op.get_bind().exec_driver_sql(made_by)
    if op.get_bind().dialect.name != "sqlite":
        for table in FROZEN:
            op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
