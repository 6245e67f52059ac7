"""Everything outside the process that a run touches, loaded and opened when first used."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

from vye_pipeline.errors import PipelineError
from vye_pipeline.settings import Settings
from vye_pipeline.storage.object_store import ObjectStore
from vye_pipeline.storage.stores import open_object_store

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from vye_pipeline.ledger.ledger import Ledger
    from vye_pipeline.sql.engines import Database
    from vye_pipeline.storage.snapshots import SnapshotStore
    from vye_pipeline.vye_database.opening import PersonalData
    from vye_pipeline.vye_database.personal import Shape

SECONDS_BETWEEN_LOOKS = 60  # at the server's clock


class Context:
    """The databases and stores that one set of settings names."""

    def __init__(self, settings: Settings) -> None:
        """Takes the settings; nothing is opened yet."""
        self.settings = settings
        self._behind = timedelta()
        self._looked_at: float | None = None

    def now(self) -> datetime:
        """Returns the time in UTC, by the clock of the ledger's server: machines' clocks differ.

        Without a server, or while it is away, the machine's own clock has to do.
        """
        from vye_pipeline.ledger.clock import behind, machine_time

        if self._looked_at is None or monotonic() - self._looked_at > SECONDS_BETWEEN_LOOKS:
            with suppress(PipelineError):
                self._behind = self.ledger.read(behind)
            self._looked_at = monotonic()
        return machine_time() + self._behind

    @cached_property
    def vye(self) -> Database:
        """VYE's database."""
        from vye_pipeline.vye_database.connection import vye_database

        return vye_database(self.settings)

    @cached_property
    def vye_engine(self) -> Engine:
        """A read-only engine of VYE's database."""
        return self.vye.engine(is_read_only=True)

    @cached_property
    def vye_shape(self) -> Shape:
        """How VYE's database keeps what is personal."""
        from vye_pipeline.vye_database.personal import shape_of

        return shape_of(self.vye, self.vye_engine, self.settings.identities_url)

    @cached_property
    def personal(self) -> PersonalData:
        """What opens it."""
        from vye_pipeline.vye_database.opening import PersonalData

        return PersonalData(self.vye, self.vye_engine, self.vye_shape, self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, at this version's revision."""
        from vye_pipeline.ledger.ledger import open_ledger

        return open_ledger(self.settings)

    @cached_property
    def objects(self) -> ObjectStore:
        """Where the files exchanged with BDN lie."""
        return open_object_store(
            self.settings.objects_url,
            self.settings.server_side_encryption,
            allow_cleartext=self.settings.allow_cleartext,
        )

    def fingerprint_at(self, key: str) -> str | None:
        """Returns the fingerprint of what lies at a key of the object store, None if nothing does.

        Raises:
            PipelineError: a store failed.
        """
        found = self.objects.find(key)
        return None if found is None else self.snapshots.fingerprint(found)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        """Where personal data is kept, encrypted."""
        from vye_pipeline.storage.snapshots import open_snapshots

        return open_snapshots(self.settings)
