"""One delivery of a kind at a time, across processes; a process that dies lets go.

The put is outside any transaction, so the order "look, put, record" is kept by a lock that the
operating system or the database server releases with the process that held it.
"""

from __future__ import annotations

import fcntl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

LOCK_SPACE = 7_233_002


@contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[None]:
    """Holds the lock of a name on a ledger, waiting for whoever has it.

    Args:
        engine: the ledger's. PostgreSQL: an advisory lock of a session of its own. SQLite: a lock
            on a file beside the database.
        name: what is locked; locks of different names are independent.
    """
    if engine.dialect.name == "postgresql":
        connection = engine.connect()
        try:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:space, :name)"),
                {"space": LOCK_SPACE, "name": zlib.crc32(name.encode()) & 0x7FFFFFFF},
            )
            yield
        finally:
            with suppress(DBAPIError):  # a session that has ended holds no lock any more
                connection.close()
    else:
        with Path(f"{engine.url.database}.{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
