"""From a URL of the settings to the object store that it names."""

from __future__ import annotations

from pathlib import Path

from vye_pipeline.errors import UsageError
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import ObjectStore, is_key
from vye_pipeline.storage.s3_store import S3Store


def open_object_store(
    url: str, kms_key_id: str | None = None, *, allow_cleartext: bool = False
) -> ObjectStore:
    """Returns the object store at `file:///folder` or `s3://bucket[/prefix]`, taken literally.

    Nothing is read or made yet.

    Args:
        url: where.
        kms_key_id: the key with which S3 encrypts what is put; S3's own by default.
        allow_cleartext: whether S3 may be reached over http on another machine.

    Raises:
        UsageError: the URL is neither.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderStore(Path(rest))
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme == "s3" and bucket and (not prefix or is_key(prefix)):
        return S3Store(bucket, prefix, kms_key_id, allow_cleartext=allow_cleartext)
    raise UsageError("an object store is file:///folder or s3://bucket/prefix")
