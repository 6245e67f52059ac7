"""How a table of SQLite gets another declaration without being copied."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Connection


def redeclare(connection: Connection, table: str, rewritten: Callable[[str], str]) -> None:
    """Loosens a table's constraints as https://www.sqlite.org/lang_altertable.html, 7, describes.

    The rows stay as they are. To copy the table would take its triggers and its findings along.

    Args:
        connection: to SQLite, in a transaction.
        table: its name.
        rewritten: the declaration as it stands to the one that is wanted.
    """
    named = {"name": table}
    declared = str(
        connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), named)
    )
    version = int(connection.scalar(sa.text("PRAGMA schema_version")) or 0)
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :name"),
        named | {"sql": rewritten(declared)},
    )
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = RESET"))
