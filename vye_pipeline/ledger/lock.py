"""One delivery of a kind at a time, across processes; a process that dies lets go.

The put is outside any transaction, so the order "look, put, record" is kept by a lock that the
operating system or the database server releases with the process that held it. Its holder gives a
sign of life every few seconds: who waits for a healthy one waits as long as it takes, and gives up
where a holder has been silent for a minute, as one is whose machine has vanished.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import IO

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from vye_pipeline.errors import HeldElsewhereError

LOCK_SPACE = 7_233_002
BEAT_SECONDS = 5
SILENT_SECONDS = 60
ENDED_SECONDS = 50  # before that, so that who waits gets the lock of a machine that has vanished
LOOK_SECONDS = 1
TAKEN = "55P03"  # lock_not_available

# The session is in one transaction as long as it holds the lock, so that a pooler leaves it alone.
# Whatever role or database limit that to is off; a holder that is silent is ended by the server.
PREPARE = text(
    "SELECT set_config(name, CASE name WHEN 'application_name' THEN :holder "
    "WHEN 'lock_timeout' THEN :look WHEN 'idle_in_transaction_session_timeout' THEN :silent "
    "ELSE '0' END, true) FROM pg_settings WHERE name IN ('application_name', 'lock_timeout', "
    "'idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout')"
)
TAKE = text("SELECT pg_advisory_xact_lock(:space, :name)")
LOOK = text(
    "SELECT application_name, xact_start, extract(epoch FROM clock_timestamp() - state_change)"
    " FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND classid = :space AND objid = :name"
    " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: host and process, since when, and for how many seconds it was silent."""

    name: str
    since: datetime | None
    silent: float | None


@contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[None]:
    """Holds the lock of a name on a ledger, waiting for a healthy holder.

    Args:
        engine: the ledger's. PostgreSQL: an advisory lock of a transaction of its own. SQLite: a
            lock on a file beside the database.
        name: what is locked; locks of different names are independent.

    Raises:
        HeldElsewhereError: its holder has given no sign of life for a minute.
    """
    hold = _held_by_server if engine.dialect.name == "postgresql" else _held_by_file
    with hold(engine, name):
        yield


@contextmanager
def _held_by_server(engine: Engine, name: str) -> Iterator[None]:
    connection = _taken(engine, name)
    try:
        with _beating(lambda: connection.execute(text("SELECT 1"))):
            yield
    finally:
        with suppress(SQLAlchemyError):  # a session that has ended holds no lock any more
            connection.close()


def _taken(engine: Engine, name: str) -> Connection:
    """Returns a connection whose transaction holds the lock."""
    lock = {"space": LOCK_SPACE, "name": zlib.crc32(name.encode()) & 0x7FFFFFFF}
    limits = {
        "holder": f"vye {_me()}",
        "look": f"{LOOK_SECONDS}s",
        "silent": f"{ENDED_SECONDS}s",
    }
    patience = _Patience(name)
    while True:
        connection = engine.connect()
        try:
            connection.execute(PREPARE, limits)
            connection.execute(TAKE, lock)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OperationalError) or _code(error) != TAKEN:
                raise
        else:
            return connection
        with engine.connect() as connection:
            rows = connection.execute(LOOK, lock).all()
        if rows:
            holder, since, silent = rows[0]
            patience.wait_for(Holder(holder, since, None if silent is None else float(silent)))


def _code(error: OperationalError) -> object:
    return getattr(error.orig, "sqlstate", None)


@contextmanager
def _held_by_file(engine: Engine, name: str) -> Iterator[None]:
    path = Path(f"{engine.url.database}.{name}.lock")
    patience = _Patience(name)
    with path.open("a+", encoding="utf-8") as file:
        while not _locked(file):
            patience.wait_for(_holder(path))
            time.sleep(LOOK_SECONDS / 10)
        file.truncate(0)
        file.write(f"{_me()}\n{datetime.now(UTC).isoformat()}\n")
        file.flush()
        with _beating(lambda: os.utime(file.fileno())):
            yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> Holder:
    """Reads who holds a file's lock; nothing of it is there while that is being written."""
    silent = max(0.0, time.time() - path.stat().st_mtime)
    written = path.read_text(encoding="utf-8").split()
    name, since = written if len(written) == 2 else ("another process", None)
    return Holder(name, datetime.fromisoformat(since) if since else None, silent)


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


class _Patience:
    """How long a lock is waited for: as long as its holder lives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()

    def wait_for(self, holder: Holder) -> None:
        """Gives up on a holder that is silent; one that can't be seen is as one that is."""
        waited = time.monotonic() - self._began
        silent = waited if holder.silent is None else holder.silent
        if min(silent, waited) >= SILENT_SECONDS:
            since = f" since {holder.since:%Y-%m-%d %H:%M:%S} UTC" if holder.since else ""
            raise HeldElsewhereError(self._name, f"{holder.name}{since}", int(silent))


@contextmanager
def _beating(beat: Callable[[], object]) -> Iterator[None]:
    """Gives a sign of life every few seconds meanwhile."""
    is_over = Event()

    def keep_beating() -> None:
        with suppress(SQLAlchemyError, OSError):  # a lock that is lost is noticed at the writes
            while not is_over.wait(BEAT_SECONDS):
                beat()

    heart = Thread(target=keep_beating, daemon=True)
    heart.start()
    try:
        yield
    finally:
        is_over.set()
        heart.join()
