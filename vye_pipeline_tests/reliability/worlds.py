"""Worlds for trials: prepared once, copied for each trial, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.restores import back_up, put_back

READER = "reader"


class Worlds(ABC):
    """A pipeline whose first day is ready to be exported, of which each trial gets a copy."""

    name: str
    stride: int  # of how many points one is tried: copies of a server's databases take longer
    concurrent_stride = 1  # the same, where two runs are interleaved
    has_row_security = False

    def __init__(self, original: Settings) -> None:
        """Prepares the original."""
        self.original = original
        prepared = Rehearsal.prepare(original)
        prepared.dawn()
        prepared.pipeline.ledger.engine.dispose()

    @abstractmethod
    def copy(self, folder: Path) -> AbstractContextManager[Settings]:
        """Yields the settings of a copy, whose objects lie in a folder; then it is gone."""

    @abstractmethod
    def back_up(self, settings: Settings) -> None:
        """Copies a closed ledger as it is now."""

    @abstractmethod
    def restore(self, settings: Settings) -> Settings:
        """Puts a closed ledger back as it was, and returns the settings to open it with."""

    def narrow(self, settings: Settings) -> Settings:
        """Returns settings that read VYE's database as a role under row-level security."""
        raise NotImplementedError(f"{self.name} has no row-level security")

    @cached_property
    def reference(self) -> dict[str, bytes]:
        """What BDN is sent on the first day if nothing happens."""
        with self.copy(self.original.folder.with_name("reference")) as settings:
            whole = Rehearsal.open(settings)
            assert whole.egress(DAYS[0]) == []
            return whole.sent()


class SQLiteWorlds(Worlds):
    """Databases and objects in a folder."""

    name = "SQLite"
    stride = 1

    def __init__(self, folder: Path) -> None:
        """Prepares the original in a folder."""
        super().__init__(load_settings(local_dir=folder / "local"))

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Settings]:
        """See Worlds."""
        shutil.copytree(self.original.folder, folder)
        yield self.original.model_copy(update={"local_dir": folder})
        shutil.rmtree(folder)

    def back_up(self, settings: Settings) -> None:
        """See Worlds."""
        back_up(settings)

    def restore(self, settings: Settings) -> Settings:
        """See Worlds."""
        put_back(settings)
        return settings


class EncryptedWorlds(SQLiteWorlds):
    """The same in production's shape: encrypted columns, identities in a database of their own."""

    name = "SQLite, encrypted columns"
    stride = 6
    concurrent_stride = 6

    def __init__(self, folder: Path) -> None:
        """Prepares the original in a folder."""
        Worlds.__init__(
            self,
            load_settings(
                local_dir=folder / "local",
                column_kms_key_id=INSECURE_KEY_ID,
                identity_url=f"sqlite:///{folder / 'identities.db'}",
            ),
        )


class PostgreSQLWorlds(Worlds):
    """Databases on a server, objects in a folder."""

    name = "PostgreSQL"
    stride = 2
    has_row_security = True

    def __init__(self, folder: Path, server: PostgreSQL) -> None:
        """Prepares the original, and a role that may read and sees what policies show it."""
        self.server = server
        self._copies: list[str] = []
        self._backup = ""
        source = server.database()
        super().__init__(
            load_settings(
                local_dir=folder / "local",
                database_url=source,
                database_write_url=source,
                ledger_url=server.database(),
                snapshot_key=Fernet.generate_key().decode(),
            )
        )

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Settings]:
        """See Worlds."""
        shutil.copytree(self.original.folder, folder)
        others = len(self._copies)  # of a copy within which this one is made
        source = self._copy_of(self.original.vye_database_url)
        ledger = self._copy_of(self.original.ledger_database_url)
        yield self.original.model_copy(
            update={
                "local_dir": folder,
                "database_url": source,
                "database_write_url": source,
                "ledger_url": ledger,
            }
        )
        while len(self._copies) > others:
            self.server.drop(self._copies.pop())
        shutil.rmtree(folder)

    def back_up(self, settings: Settings) -> None:
        """See Worlds."""
        self._backup = self._copy_of(settings.ledger_database_url)

    def restore(self, settings: Settings) -> Settings:
        """See Worlds."""
        return settings.model_copy(update={"ledger_url": self._copy_of(self._backup)})

    def narrow(self, settings: Settings) -> Settings:
        """See Worlds."""
        url = make_url(settings.vye_database_url)
        with closing(psycopg.connect(settings.vye_database_url, autocommit=True)) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [READER]).rowcount:
                connection.execute(f"CREATE ROLE {READER} LOGIN")
            connection.execute(f"GRANT pg_read_all_data TO {READER}")
        reader = url.set(username=READER).render_as_string(hide_password=False)
        return settings.model_copy(update={"database_url": reader})

    def _copy_of(self, url: str) -> str:
        self._copies.append(self.server.database(url))
        return self._copies[-1]
