"""Snapshots, compressed and encrypted: what a partition held when it was read.

They hold personal data. The cipher is authenticated (Fernet), and a snapshot's name is sealed in
with its content: a damaged, foreign or swapped snapshot is an error, never data. What they are
encrypted with is in snapshot_keys.py.

The key of all fingerprints is kept among them (bdn-interface.md, part 2). It is made once and never
changes; it is encrypted anew when the snapshots' key does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from cryptography.fernet import Fernet, InvalidToken

from vye_pipeline.errors import Cause, PipelineError, UsageError, storage_error
from vye_pipeline.settings import Settings
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import ObjectMissing, ObjectStore
from vye_pipeline.storage.snapshot_keys import HOW_TO_MAKE_A_KEY, KmsKey, snapshot_key
from vye_pipeline.storage.stores import open_object_store

ZSTD = b"\x28\xb5\x2f\xfd"  # how what is compressed begins: nothing else that is kept does
END_OF_NAME = b"\n"  # no key of an object contains it
FINGERPRINT_KEY = "fingerprints.key"
FINGERPRINTED = re.compile(r"\.[0-9a-f]{64}$")


@dataclass(frozen=True)
class Kept:
    """A snapshot's name, and the fingerprint of its content."""

    name: str
    fingerprint: str


class SnapshotStore:
    """Snapshots by name, in an object store."""

    def __init__(
        self, store: ObjectStore, keys: Sequence[bytes], *, allow_cleartext: bool = False
    ) -> None:
        """Takes the keys that may have been written with; the first one writes.

        Args:
            store: where they lie.
            keys: at least one; each 32 bytes in URL-safe base64, or the ARN or alias of a KMS key.
            allow_cleartext: whether KMS may be reached over http on another machine.

        Raises:
            ValueError: one is neither.
        """
        self._store = store
        self._keys = [snapshot_key(key, allow_cleartext=allow_cleartext) for key in keys]

    @property
    def is_under_kms(self) -> bool:
        """Whether KMS keeps the key that writes."""
        return isinstance(self._keys[0], KmsKey)

    def put(self, name: str, content: bytes) -> None:
        """Stores a snapshot, whole or not at all, replacing an older one of that name.

        Raises:
            PipelineError: the store failed.
        """
        with _as_storage():
            self._store.put(name, self._encrypted(name, content))

    def keep(self, stem: str, content: bytes) -> Kept:
        """Stores bytes as they came, once, under a name that ends with their fingerprint.

        Raises:
            PipelineError: the store failed.
        """
        fingerprint = self.fingerprint(content)
        kept = Kept(f"{stem}.{fingerprint}", fingerprint)
        if not self.exists(kept.name):
            self.put(kept.name, content)
        return kept

    def get(self, name: str) -> bytes:
        """Returns a snapshot's content.

        Raises:
            PipelineError: it is missing, damaged, written with another key or under another name,
                or the store or KMS failed.
        """
        return self._opened(name)[0]

    def renew(self, name: str) -> bool:
        """Encrypts a snapshot with the newest key, if it was written with an older one.

        Returns:
            Whether it was.

        Raises:
            PipelineError: as for `get`, or the store failed; the snapshot is as it was.
        """
        content, is_newest = self._opened(name)
        if not is_newest:
            self.put(name, content)
        return not is_newest

    def exists(self, name: str) -> bool:
        """Says whether there is a snapshot of that name.

        Raises:
            PipelineError: the store failed.
        """
        return name in self.names(name)

    def names(self, prefix: str) -> list[str]:
        """Returns the names of the snapshots that start with a prefix, sorted.

        Raises:
            PipelineError: the store failed.
        """
        with _as_storage():
            return [found.key for found in self._store.list(prefix)]

    def fingerprint(self, content: bytes) -> str:
        """Returns a keyed digest of bytes, in hex: the same bytes always have the same.

        Raises:
            PipelineError: the store failed, or its fingerprints' key is lost.
        """
        return self.fingerprint_of_digest(hashlib.sha256(content).hexdigest())

    def fingerprint_of_digest(self, sha256: str) -> str:
        """Returns the fingerprint of bytes of which only the SHA-256 is known, in hex.

        Raises:
            PipelineError: the store failed, or its fingerprints' key is lost.
        """
        return hmac.new(self._fingerprint_key, sha256.encode(), "sha256").hexdigest()

    @cached_property
    def _fingerprint_key(self) -> bytes:
        with _as_storage():
            is_made = self._store.find(FINGERPRINT_KEY) is not None
        if not is_made:
            self._make_fingerprint_key()
        key, is_newest = self._opened(FINGERPRINT_KEY)
        if not is_newest:  # the snapshots' key was rotated
            self.put(FINGERPRINT_KEY, key)
        return key

    def _make_fingerprint_key(self) -> None:
        """Makes the key if nothing was named with one yet; of two at once, one key stays."""
        if any(FINGERPRINTED.search(name) for name in self.names("")):
            raise storage_error(
                f"{FINGERPRINT_KEY} is missing among the snapshots",
                is_transient=False,
                next_step=f"restore {FINGERPRINT_KEY}: nothing that was sent can be recognised "
                "without it",
            )
        key = self._encrypted(FINGERPRINT_KEY, secrets.token_bytes(32))
        with _as_storage():
            self._store.create(FINGERPRINT_KEY, key)

    def has_any(self, of_what: str) -> bool:
        """Says whether there is any snapshot of something, of whatever partition and kind.

        Raises:
            PipelineError: the store failed.
        """
        return any(f"/{of_what}" in found.key for found in self._store.list(""))

    def delete(self, name: str) -> None:
        """Removes a snapshot; it may be gone already.

        Raises:
            PipelineError: the store failed.
        """
        with _as_storage():
            self._store.delete(name)

    def _encrypted(self, name: str, content: bytes) -> bytes:
        return self._keys[0].encrypt(name.encode() + END_OF_NAME + _compressed(content))

    def _opened(self, name: str) -> tuple[bytes, bool]:
        """Returns a snapshot's content, and whether the newest key has encrypted it."""
        decrypted, is_newest = self._decrypted(name)
        sealed_name, _, content = decrypted.partition(END_OF_NAME)
        if sealed_name != name.encode():
            raise storage_error(
                f"the snapshot {name} holds what was written under another name",
                is_transient=False,
                next_step="restore the snapshot; somebody has swapped or renamed it",
            )
        return _decompressed(content), is_newest

    def _decrypted(self, name: str) -> tuple[bytes, bool]:
        sealed = self._sealed(name)
        for key in self._keys:
            with suppress(InvalidToken):
                return key.decrypt(sealed), key is self._keys[0]
        raise storage_error(
            f"the snapshot {name} is damaged or was written with another key",
            is_transient=False,
            next_step="add the key it was written with to the end of VYE_SNAPSHOT_KEY, "
            "or restore the snapshot",
        )

    def _sealed(self, name: str) -> bytes:
        with _as_storage():
            sealed = self._store.find(name)
        if sealed is None:
            raise storage_error(
                f"the snapshot {name} is missing",
                is_transient=False,
                next_step="restore the snapshot",
            )
        return sealed


@contextmanager
def _as_storage() -> Iterator[None]:
    """Tells failures of the snapshots' store from those of the one that BDN reads."""
    try:
        yield
    except PipelineError as error:
        if error.cause is not Cause.UPLOAD:
            raise
        raise storage_error(
            f"the snapshots: {error.what}",
            is_transient=error.is_transient,
            next_step=error.next_step,
        ) from None


def open_snapshots(settings: Settings) -> SnapshotStore:
    """Returns the snapshots that the settings name; beside a SQLite ledger makes their key.

    Raises:
        UsageError: VYE_SNAPSHOT_URL or a key can't be used, or VYE_SNAPSHOT_KEY is needed.
        PipelineError: the key's file can't be written.
    """
    try:
        store = open_object_store(
            settings.snapshots_url,
            settings.server_side_encryption,
            allow_cleartext=settings.allow_cleartext,
        )
    except UsageError as error:
        raise UsageError(f"VYE_SNAPSHOT_URL can't be used: {error}") from None
    origin, keys = _keys(settings)
    try:
        return SnapshotStore(store, keys, allow_cleartext=settings.allow_cleartext)
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
        return "VYE_SNAPSHOT_KEY", _split(settings.snapshot_key.get_secret_value().encode())
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
