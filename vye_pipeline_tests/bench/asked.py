"""What is asked of a database, word for word: so that a floor asks the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from unittest.mock import patch

import psycopg
from sqlalchemy import Engine, event

Statement = tuple[Any, Any]


@contextmanager
def asked(engine: Engine) -> Iterator[list[Statement]]:
    """Collects meanwhile the queries that bring rows: on PostgreSQL the COPYs, on SQLite all."""
    statements: list[Statement] = []
    copy = psycopg.Cursor.copy

    def noted(cursor: Any, statement: Any, parameters: Any = None, **options: Any) -> Any:
        statements.append((statement, parameters))
        return copy(cursor, statement, parameters, **options)

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    if engine.dialect.name == "postgresql":
        with patch.object(psycopg.Cursor, "copy", noted):
            yield statements
        return
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def bring(engine: Engine, statements: list[Statement]) -> int:
    """Asks again and takes the answers as they come: nothing is parsed.

    Returns:
        How many bytes (PostgreSQL) or rows (SQLite) came.
    """
    taken = 0
    with engine.connect() as connection:
        for statement, parameters in statements:
            if engine.dialect.name == "postgresql":
                taken += _copy_out(connection.connection.cursor(), statement, parameters)
            else:
                taken += len(connection.exec_driver_sql(statement, parameters).fetchall())
    return taken


def _copy_out(cursor: Any, statement: Any, parameters: Any) -> int:
    buffer = BytesIO()
    with cursor.copy(statement, parameters) as copy:
        buffer.writelines(copy)
    return buffer.tell()
