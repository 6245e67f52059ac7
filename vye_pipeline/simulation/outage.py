"""An object store of which uploads fail, as S3's do when a policy is broken."""

from __future__ import annotations

from collections.abc import Sequence

from vye_pipeline.errors import upload_error
from vye_pipeline.storage.object_store import ObjectStore, StoredObject


class Outage(ObjectStore):
    """A store in front of another one, which refuses the uploads it is told to."""

    def __init__(self, store: ObjectStore) -> None:
        """Takes the store that works."""
        self._store = store
        self.refused: frozenset[str] = frozenset()

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return self._store.location(key)

    def create(self, key: str, content: bytes) -> bool:
        """Fails for the keys in `refused`."""
        if key in self.refused:
            raise upload_error(
                f"the upload to S3 failed: AccessDenied, at {key}",
                is_transient=False,
                next_step="allow the pipeline's role s3:PutObject on the bucket again",
            )
        return self._store.create(key, content)

    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        self._store.put(key, content)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        return self._store.get(key)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._store.delete(key)

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        return self._store.list(prefix)
