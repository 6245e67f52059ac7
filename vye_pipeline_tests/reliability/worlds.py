"""Worlds for trials: prepared once, copied for each trial, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.integration.servers import PostgreSQL


class Worlds(ABC):
    """A pipeline whose first day is ready to be exported, of which each trial gets a copy."""

    name: str
    stride: int  # of how many points one is tried: copies of a server's databases take longer
    concurrent_stride = 1  # the same, where two runs are interleaved

    def __init__(self, original: Settings) -> None:
        """Prepares the original."""
        self.original = original
        prepared = Rehearsal.prepare(original)
        prepared.dawn()
        prepared.pipeline.ledger.engine.dispose()

    @abstractmethod
    def copy(self, folder: Path) -> AbstractContextManager[Settings]:
        """Yields the settings of a copy, whose objects lie in a folder; then it is gone."""

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

    def __init__(self, folder: Path, server: PostgreSQL) -> None:
        """Prepares the original."""
        self.server = server
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
        source = self.server.database(self.original.vye_database_url)
        ledger = self.server.database(self.original.ledger_database_url)
        yield self.original.model_copy(
            update={
                "local_dir": folder,
                "database_url": source,
                "database_write_url": source,
                "ledger_url": ledger,
            }
        )
        self.server.drop(source)
        self.server.drop(ledger)
        shutil.rmtree(folder)
