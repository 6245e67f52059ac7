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

from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.sql.address import address
from vye_pipeline.sql.faults import fault_of, library_errors

SQLITE_BUSY_SECONDS = 60
# A peer that has vanished is noticed within a minute, whether something is sent to it or awaited.
CONNECTING = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# What the text of values depends on; and row security raises rather than hides a row.
PINNED = (
    "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true), "
    "set_config('IntervalStyle', 'postgres', true), set_config('bytea_output', 'hex', true), "
    "set_config('row_security', 'off', true)"
)
# Said in the transaction itself: a connection that had once been told to only read would afterwards
# insist on writing, where the database's default is that nobody may.
SNAPSHOT = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; {PINNED}"
ONLY_READS = {"vye_only_reads": True}  # an engine's execution options


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
        """Turns a database's error into a classified one, which holds nothing of its text.

        Raises:
            PipelineError: whatever the client's library has raised.
        """
        try:
            yield
        except library_errors() as error:
            raise self._classified(error) from None

    def _classified(self, error: BaseException) -> PipelineError:
        fault = fault_of(error)
        return PipelineError(
            f"{self.name}: {fault.what.format(variable=self.variable)}",
            cause=self.cause,
            is_transient=fault.is_transient,
            next_step=fault.remedy.format(variable=self.variable),
        )


def reading(engine: Engine) -> Engine:
    """Returns an engine that shares the connections of another one and can't write.

    Each of its transactions sees one snapshot, and waits for nobody who writes.
    """
    return engine.execution_options(**ONLY_READS)


def _only_reads(connection: Connection) -> bool:
    return ONLY_READS.items() <= connection.get_execution_options().items()


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
        execution_options=ONLY_READS if is_read_only else {},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        if not is_read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = ON")  # what is replaced is gone

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        only_reads = _only_reads(connection)
        connection.exec_driver_sql(f"PRAGMA query_only = {only_reads:d}")
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, *, is_read_only: bool) -> Engine:
    """Sessions that read the same whatever role, database or pooler are set to.

    What a session needs is set anew in each transaction: behind a pooler the next one may be in
    another session, and few poolers take `options`. For the same reason nothing is prepared. The
    URL's own options hold as they are. A read-only engine sees one snapshot a transaction.
    """
    given = {name: value for name, value in CONNECTING.items() if name not in url.query}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={**given, "client_encoding": "utf8", "prepare_threshold": None},
        execution_options=ONLY_READS if is_read_only else {},
        use_native_hstore=False,
    )

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(SNAPSHOT if _only_reads(connection) else PINNED)

    return engine


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
