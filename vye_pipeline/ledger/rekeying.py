"""From the plain digests of an older ledger to fingerprints, in its rows and the snapshots' names.

The fingerprint of bytes follows from their SHA-256, so that no content is needed. Snapshots are
copied before the ledger's rows change and the old ones removed after it, in the same transaction:
wherever this is interrupted, the next one does it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property

from vye_pipeline.storage.snapshots import SnapshotStore

DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
NAMED_BY_DIGEST = re.compile(r"-(?P<digest>[0-9a-f]{64})$")


class Rekeying:
    """Replaces digests by fingerprints; nothing is opened unless an older ledger has rows."""

    def __init__(self, open_snapshots: Callable[[], SnapshotStore]) -> None:
        """Takes how the snapshots are opened."""
        self._open = open_snapshots

    @cached_property
    def _snapshots(self) -> SnapshotStore:
        return self._open()

    def fingerprint(self, digest: str) -> str:
        """Returns the fingerprint of what has a digest."""
        return self._snapshots.fingerprint_of_digest(digest)

    def name(self, snapshot_name: str) -> str:
        """Returns the name of a snapshot by its fingerprint."""
        return NAMED_BY_DIGEST.sub(
            lambda found: f".{self.fingerprint(found['digest'])}", snapshot_name
        )

    def words(self, text: str) -> str:
        """Returns a message with its digests replaced by fingerprints."""
        named = text.replace("SHA-256 ", "fingerprint ")
        return DIGEST.sub(lambda found: self.fingerprint(found[0]), named)

    def copy_snapshots(self) -> None:
        """Keeps every snapshot under its new name too."""
        for old in self._old_names():
            self._snapshots.put(self.name(old), self._snapshots.get(old))

    def remove_old_snapshots(self) -> None:
        """Removes every snapshot whose name holds a digest."""
        for old in self._old_names():
            self._snapshots.delete(old)

    def _old_names(self) -> list[str]:
        return [name for name in self._snapshots.names("") if NAMED_BY_DIGEST.search(name)]
