"""Pages of a bucket's listing: what isn't one is a failure, never "nothing is there"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vye_pipeline.storage.object_store import StoredObject


class NoListing(Exception):
    """An answer with status 200 to a listing that is no page of one, or not all of it."""


def objects_of(page: Mapping[str, Any], prefix: str) -> Iterator[StoredObject]:
    """Yields the objects of a page, as botocore has parsed it.

    Args:
        page: the answer.
        prefix: of all keys that were asked for.

    Raises:
        NoListing: it lacks what every page has (a filter's sign-in page has nothing of it), names
            objects that were not asked for, or ends without saying where the next page begins.
    """
    if not isinstance(page.get("IsTruncated"), bool):
        raise NoListing("the answer is no listing: a proxy or filter may have answered")
    if page["IsTruncated"] and not page.get("NextContinuationToken"):
        raise NoListing("a page of the listing doesn't say where the next one begins")
    for found in page.get("Contents", []):
        if not {"Key", "ETag", "Size"} <= found.keys():
            raise NoListing("an object of the listing has no key, ETag or size")
        if not found["Key"].startswith(prefix):
            raise NoListing("the listing names objects that were not asked for")
        yield StoredObject(found["Key"], found["ETag"].strip('"'), found["Size"])
