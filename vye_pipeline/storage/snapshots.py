"""Snapshots, compressed and encrypted: what a partition held when it was read.

They hold personal data. The cipher is authenticated (Fernet), and a snapshot's name is sealed in
with its content: a damaged, foreign or swapped snapshot is an error, never data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from vye_pipeline.errors import UsageError, defect
from vye_pipeline.settings import Settings
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import ObjectMissing, ObjectStore
from vye_pipeline.storage.stores import open_object_store

HOW_TO_MAKE_A_KEY = (
    "make one with: python -c "
    '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
ZSTD = b"\x28\xb5\x2f\xfd"  # how what is compressed begins: nothing else that is kept does
END_OF_NAME = b"\n"  # no key of an object contains it


@dataclass(frozen=True)
class Kept:
    """A snapshot's name, and the digest of its content."""

    name: str
    sha256: str


class SnapshotStore:
    """Snapshots by name, in an object store."""

    def __init__(self, store: ObjectStore, keys: Sequence[bytes]) -> None:
        """Takes the keys that may have been written with; the first one writes.

        Raises:
            ValueError: there is no key, or one is not 32 bytes in URL-safe base64.
        """
        self._store = store
        self._cipher = MultiFernet([Fernet(key) for key in keys])

    def put(self, name: str, content: bytes) -> None:
        """Stores a snapshot, whole or not at all, in place of an older one of that name.

        Raises:
            PipelineError: the store failed.
        """
        sealed = name.encode() + END_OF_NAME + _compressed(content)
        self._store.put(name, self._cipher.encrypt(sealed))

    def keep(self, stem: str, content: bytes) -> Kept:
        """Stores bytes as they came, once, under a name that ends with their digest.

        Raises:
            PipelineError: the store failed.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        kept = Kept(f"{stem}-{sha256}", sha256)
        if not self.exists(kept.name):
            self.put(kept.name, content)
        return kept

    def get(self, name: str) -> bytes:
        """Returns a snapshot's content.

        Raises:
            PipelineError: it is missing, damaged, written with another key or under another name,
                or the store failed.
        """
        try:
            sealed_name, _, content = self._cipher.decrypt(self._sealed(name)).partition(
                END_OF_NAME
            )
        except InvalidToken:
            raise defect(
                f"the snapshot {name} is damaged or was written with another key",
                next_step="add the key it was written with to the end of VYE_SNAPSHOT_KEY, "
                "or restore the snapshot",
            ) from None
        if sealed_name != name.encode():
            raise defect(
                f"the snapshot {name} holds what was written under another name",
                next_step="restore the snapshot; somebody has swapped or renamed it",
            )
        return _decompressed(content)

    def exists(self, name: str) -> bool:
        """Says whether there is a snapshot of that name.

        Raises:
            PipelineError: the store failed.
        """
        return any(found.key == name for found in self._store.list(name))

    def delete(self, name: str) -> None:
        """Removes a snapshot; it may be gone already.

        Raises:
            PipelineError: the store failed.
        """
        self._store.delete(name)

    def _sealed(self, name: str) -> bytes:
        try:
            return self._store.get(name)
        except ObjectMissing:
            raise defect(
                f"the snapshot {name} is missing", next_step="restore the snapshot"
            ) from None


def open_snapshots(settings: Settings) -> SnapshotStore:
    """Returns the snapshots that the settings name; beside a SQLite ledger makes their key.

    Raises:
        UsageError: VYE_SNAPSHOT_URL or a key can't be used, or VYE_SNAPSHOT_KEY is needed.
        PipelineError: the key's file can't be written.
    """
    try:
        store = open_object_store(settings.snapshots_url, settings.kms_key_id)
    except UsageError as error:
        raise UsageError(f"VYE_SNAPSHOT_URL can't be used: {error}") from None
    origin, keys = _keys(settings)
    try:
        return SnapshotStore(store, keys)
    except ValueError:
        raise UsageError(f"{origin} is not a snapshot key; {HOW_TO_MAKE_A_KEY}") from None


def _compressed(content: bytes) -> bytes:
    """Makes less to encrypt, store and read again: a file's lines are much alike."""
    import pyarrow as pa

    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return cast(bytes, packed.getvalue().to_pybytes())


def _decompressed(content: bytes) -> bytes:
    """Returns what was compressed; snapshots of earlier versions are not."""
    import pyarrow as pa

    if not content.startswith(ZSTD):
        return content
    return cast(bytes, pa.CompressedInputStream(pa.BufferReader(content), "zstd").read())


def _keys(settings: Settings) -> tuple[str, list[bytes]]:
    if settings.snapshot_key is not None:
        return "VYE_SNAPSHOT_KEY", _split(settings.snapshot_key.encode())
    if not settings.ledger_database_url.startswith("sqlite"):
        raise UsageError(
            f"VYE_SNAPSHOT_KEY must be set where the ledger is not SQLite; {HOW_TO_MAKE_A_KEY}"
        )
    file = settings.snapshot_key_file
    folder = FolderStore(file.parent)
    try:
        content = folder.get(file.name)
    except ObjectMissing:
        folder.create(file.name, Fernet.generate_key())  # of two at once, one key stays
        content = folder.get(file.name)
    return f"the content of {file}", _split(content)


def _split(keys: bytes) -> list[bytes]:
    return [key.strip() for key in keys.split(b",")]
