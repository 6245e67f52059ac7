"""Engines and errors, the same for PostgreSQL and SQLite.

Both VYE's database and the ledger are reached through here: how a connection behaves (read-only,
transactions, hidden parameters) and what a driver's error means to a person. Nothing here knows
what the tables hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    Select,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.sql.address import address

SQLITE_BUSY_SECONDS = 60
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Database:
    """A database as people know it.

    Attributes:
        name: in error texts.
        variable: the setting that says where it is.
        url: the setting's value.
        cause: how its failures are classified.
        allow_cleartext: whether it may be reached over TCP without verified TLS.
    """

    name: str
    variable: str
    url: str = field(repr=False)
    cause: Cause
    allow_cleartext: bool = False

    def engine(self, *, is_read_only: bool = False) -> Engine:
        """Makes an engine. Nothing is connected yet.

        Raises:
            UsageError: the URL can't be used (address.py).
        """
        url = address(self.url, self.name, self.variable, allow_cleartext=self.allow_cleartext)
        make = _sqlite_engine if url.get_backend_name() == "sqlite" else _postgresql_engine
        return make(url, is_read_only=is_read_only)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns a driver's error into a classified one, which carries no parameter of a query."""
        try:
            yield
        except DBAPIError as error:
            raise self._classified(error.orig) from None
        except _driver_errors() as error:
            raise self._classified(error) from None

    def _classified(self, error: BaseException | None) -> PipelineError:
        for condition, is_transient, what, remedy in _CONDITIONS:
            if condition in _marks(error):
                return PipelineError(
                    f"{self.name}: {what}",
                    cause=self.cause,
                    is_transient=is_transient,
                    next_step=remedy.format(variable=self.variable),
                )
        return PipelineError(
            f"{self.name}: {type(error).__name__} {getattr(error, 'sqlstate', '')}".rstrip(),
            cause=self.cause,
            is_transient=False,
            next_step="look the code up in the database's log",
        )


def _sqlite_engine(url: URL, *, is_read_only: bool) -> Engine:
    """One writer at a time, waiting its turn; a read-only engine never makes a file."""
    path = url.database or ""
    if is_read_only and path:
        url = url.set(
            database=f"file:{Path(path).absolute()}",
            query={"mode": "ro", "uri": "true"},
        )
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        if not is_read_only:
            connection.execute("PRAGMA journal_mode = WAL")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, *, is_read_only: bool) -> Engine:
    """Sessions in UTC; a read-only engine sees one snapshot a transaction."""
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_SECONDS, "options": "-c TimeZone=UTC"},
        execution_options=options if is_read_only else {},
    )


Query = Select[*tuple[Any, ...]]


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database, whatever the database keeps of zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turns an aware timestamp into UTC; a naive one is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a timestamp without zone")
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Gives every timestamp back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _driver_errors() -> tuple[type[BaseException], ...]:
    """The errors of a driver used directly, for COPY; psycopg is loaded only where it is used."""
    import sys

    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error, psycopg.Error) if psycopg else (sqlite3.Error,)


def _marks(error: BaseException | None) -> set[str]:
    """Returns the condition names that a driver's error answers to."""
    state = getattr(error, "sqlstate", None)
    if state:
        return {state, state[:2]}
    if isinstance(error, sqlite3.Error):
        text = str(error)
        return {mark for mark in _SQLITE_TEXTS if mark in text}
    return (
        {"connection"} if type(error).__name__ in {"OperationalError", "InterfaceError"} else set()
    )


_SQLITE_TEXTS = (
    "no such table",
    "no such column",
    "unable to open database file",
    "database is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "file is not a database",
)

# Condition, whether it may pass by itself, what happened, what to do.
_CONDITIONS: tuple[tuple[str, bool, str, str], ...] = (
    (
        "connection",
        True,
        "can't be reached",
        "check {variable} and that the server runs, then try again",
    ),
    ("08", True, "the connection was lost", "try again"),
    ("57", True, "the server is stopping or cancelled the query", "try again"),
    ("40", True, "another transaction was in the way", "try again"),
    ("28", False, "refuses the login", "check user and password in {variable}"),
    ("3D", False, "there is no such database", "check the name in {variable}"),
    ("53100", False, "its disk is full", "make room, then try again"),
    ("53", True, "is out of resources", "try again when it is less busy"),
    ("25006", False, "is read-only", "check the role and server in {variable}"),
    (
        "42501",
        False,
        "the role may not do this",
        "grant it what docs/deployment.md lists",
    ),
    (
        "42P01",
        False,
        "a table is missing",
        "check {variable}; `vye database create` makes VYE's tables",
    ),
    (
        "42703",
        False,
        "a column is missing",
        "compare the table with docs/vye-database.md",
    ),
    (
        "no such table",
        False,
        "a table is missing",
        "check {variable}; `vye database create` makes VYE's tables",
    ),
    (
        "no such column",
        False,
        "a column is missing",
        "compare the table with docs/vye-database.md",
    ),
    (
        "unable to open database file",
        False,
        "can't be opened",
        "check {variable}; `vye demo` or `vye database create` makes one",
    ),
    ("database is locked", True, "is locked by another process", "try again"),
    (
        "database or disk is full",
        False,
        "its disk is full",
        "make room, then try again",
    ),
    (
        "attempt to write a readonly database",
        False,
        "is read-only",
        "check the file's permissions",
    ),
    ("file is not a database", False, "is no SQLite database", "check {variable}"),
)
