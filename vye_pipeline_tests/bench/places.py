"""Where a day is measured: PostgreSQL or SQLite, and a folder or S3's protocol."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cryptography.fernet import Fernet

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.bench.pipeline import DAY
from vye_pipeline_tests.integration.servers import PostgreSQL

BUCKET = "bench"


@dataclass(frozen=True)
class Place:
    """A database and an object store."""

    database: str
    store: str

    def __str__(self) -> str:
        """Names both."""
        return f"{self.database}, {self.store}"


SERVER = Place("postgresql", "folder")
EMBEDDED = Place("sqlite", "folder")
PLACES = (SERVER, Place("postgresql", "s3"), EMBEDDED)
EVERYWHERE_UP_TO = 1_000_000  # users


def places_for(users: int) -> tuple[Place, ...]:
    """Returns where a size is measured: the largest, asked for its growth, on the server only."""
    return PLACES if users <= EVERYWHERE_UP_TO else (SERVER,)


@contextmanager
def opened(place: Place, ledgers: int = 1) -> Iterator[list[Settings]]:
    """Starts what a place needs, and yields the settings of as many empty worlds as asked for."""
    with ExitStack() as stack:
        server = stack.enter_context(_server()) if place.database == "postgresql" else None
        if place.store == "s3":
            stack.enter_context(_object_server())
        yield [_settings(stack, place, server) for _ in range(ledgers)]


def _settings(stack: ExitStack, place: Place, server: PostgreSQL | None) -> Settings:
    chosen: dict[str, Any] = {}
    if server is not None:
        source = server.database()
        chosen |= {
            "database_url": source,
            "database_write_url": source,
            "ledger_url": server.database(),
            "snapshot_key": Fernet.generate_key().decode(),
        }
    if place.store == "s3":
        chosen |= {
            "object_store_url": f"s3://{BUCKET}/exchange",
            "snapshot_url": f"s3://{BUCKET}/snapshots",
        }
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return load_settings(local_dir=folder, start_date=DAY, **chosen)


@contextmanager
def _server() -> Iterator[PostgreSQL]:
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder))
        yield server
        server.stop()


@contextmanager
def _object_server() -> Iterator[None]:
    """Runs the server in a process of its own, which ends when its input does."""
    command = [sys.executable, "-W", "ignore", "-m", "vye_pipeline_tests.bench.object_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, BUCKET], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        variables = {
            "AWS_ENDPOINT_URL_S3": server.stdout.readline().strip(),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        with patch.dict("os.environ", variables):
            yield
        server.communicate()
