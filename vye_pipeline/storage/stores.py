"""From a URL of the settings to the object store that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vye_pipeline.errors import UsageError
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import ObjectStore, is_key
from vye_pipeline.storage.s3_store import S3Store

BUCKET = re.compile(
    r"(?P<bucket>arn:aws[a-z-]*:s3[a-z-]*:[a-z0-9-]*:[0-9]*:(?:outpost[/:][A-Za-z0-9-]+[/:])?"
    r"accesspoint[/:][A-Za-z0-9.-]+|[A-Za-z0-9._-]+)(?:/(?P<prefix>.*))?"
)


def open_object_store(
    url: str, encryption: Mapping[str, str] | None = None, *, allow_cleartext: bool = False
) -> ObjectStore:
    """Returns the object store at `file:///folder` or `s3://bucket[/prefix]`, taken literally.

    A bucket may be an access point, by its ARN or alias. Nothing is read or made yet.

    Args:
        url: where.
        encryption: what S3 is asked to encrypt with; its own keys by default.
        allow_cleartext: whether S3 may be reached over http on another machine.

    Raises:
        UsageError: the URL is neither; what it holds is not repeated.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderStore(Path(rest))
    if scheme == "s3" and "@" in rest:
        raise UsageError(
            "credentials don't belong in the URL of a bucket: set the usual AWS variables"
        )
    if scheme == "s3" and re.search(r"\s", rest):
        raise UsageError("there is a blank in the URL of a bucket: take it out")
    match = BUCKET.fullmatch(rest)
    if scheme == "s3" and match is not None:
        prefix = (match["prefix"] or "").strip("/")
        if not prefix or is_key(prefix):
            return S3Store(match["bucket"], prefix, encryption, allow_cleartext=allow_cleartext)
    raise UsageError("an object store is file:///folder or s3://bucket/prefix")
