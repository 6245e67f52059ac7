"""Where files lie: what an S3 bucket (s3_store.py) and a folder (folder_store.py) both guarantee.

An object is put whole or not at all, and put once where BDN reads it (bdn-interface.md, part 2).
Contents hold personal data: messages name keys, never contents or digests of them.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from weakref import WeakSet

from vye_pipeline.errors import Cause, PipelineError, defect, upload_error
from vye_pipeline.retries import LONGEST_TRY_SECONDS, SECONDS_IN_ALL, within

RUN_IT_AGAIN = "run it again; if it goes on failing, look at the network and the store's own status"
FIX_THE_CAUSE = "look the code up in the store's documentation, fix the cause and run it again"


PROBES = "doctor/"
PROBE = b"a probe by vye_pipeline; it may be removed"
OTHER_PROBE = b"this probe must never be seen"
BROKEN_PROMISE = (
    "the object store overwrites what a conditional put must not, nothing is written there"
)
ANOTHER_STORE = (
    "use a store that honours If-None-Match: * (docs/compatibility.md); without it a file can go "
    "out twice"
)


class PutOutcome(Enum):
    """What a put that succeeded found."""

    STORED = auto()
    ALREADY_THERE = auto()


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing.

    Attributes:
        key: its key.
        etag: differs when the object was replaced; otherwise opaque.
        size: in bytes.
    """

    key: str
    etag: str
    size: int


class ObjectMissing(PipelineError):
    """Nothing lies at a key."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"there is no object {location}",
            cause=Cause.UPLOAD,
            is_transient=False,
            next_step="find out whether it was ever put or has been removed",
        )


class KeyTaken(PipelineError):
    """Other bytes lie at a key; nothing was overwritten."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location} is taken by other bytes, nothing was overwritten",
            cause=Cause.UPLOAD,
            is_transient=False,
            next_step="find out which of the two BDN has to get before anything is sent again",
        )


class ObjectStore(ABC):
    """Objects by key.

    What is written has a relative key of which no part is empty or starts with a dot. What others
    have put may have any key: it is listed, and can be read.
    """

    @abstractmethod
    def location(self, key: str) -> str:
        """Returns where a key lies, for people."""

    @abstractmethod
    def create(self, key: str, content: bytes) -> bool:
        """Stores an object if its key is free, whole or not at all.

        Returns:
            Whether the key was free.

        Raises:
            PipelineError: the store failed; the object may have been stored if this is transient.
        """

    @abstractmethod
    def put(self, key: str, content: bytes) -> None:
        """Stores an object, whole or not at all, replacing what is at its key.

        Raises:
            PipelineError: the store failed.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Returns an object.

        Raises:
            ObjectMissing: nothing lies at the key.
            PipelineError: the store failed.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes an object; it may be gone already.

        Raises:
            PipelineError: the store failed.
        """

    @abstractmethod
    def list(self, prefix: str) -> Sequence[StoredObject]:
        """Returns the objects whose keys start with a prefix, sorted by key.

        Empty objects whose keys end with a slash are folders made in a console, not objects.

        Raises:
            PipelineError: the store failed.
        """

    def put_once(self, key: str, content: bytes) -> PutOutcome:
        """Stores an object if its key is free, and reads it back (bdn-interface.md, part 2).

        Returns:
            STORED, or ALREADY_THERE if the same bytes lay there: from another run, or from a try
            of this one whose answer was lost.

        Raises:
            PipelineError: other bytes lie at the key (they stay), the store overwrites what it must
                not, or it failed, which takes a minute at most.
        """
        with within(SECONDS_IN_ALL - LONGEST_TRY_SECONDS):
            require_promise(self)
            return self._put_once(key, content)

    def _put_once(self, key: str, content: bytes) -> PutOutcome:
        try:
            is_new = self.create(key, content)
        except PipelineError as error:
            if error.is_transient and self._holds(key, content):
                return PutOutcome.ALREADY_THERE
            raise
        found = self.find(key)
        if found != content:
            raise self._contradiction(key, is_gone=found is None, is_new=is_new)
        return PutOutcome.STORED if is_new else PutOutcome.ALREADY_THERE

    def find(self, key: str) -> bytes | None:
        """Returns what lies at a key, None where nothing does.

        Raises:
            PipelineError: the store failed.
        """
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def _holds(self, key: str, content: bytes) -> bool:
        with suppress(PipelineError):
            return self.find(key) == content
        return False

    def _contradiction(self, key: str, *, is_gone: bool, is_new: bool) -> PipelineError:
        location = self.location(key)
        if is_gone:
            return upload_error(
                f"{location} was removed by somebody else while it was being put",
                is_transient=True,
                next_step=RUN_IT_AGAIN,
            )
        if is_new:
            return upload_error(
                f"{location} reads back with other bytes than were put",
                is_transient=False,
                next_step="look at it, remove it if BDN has not read it, then run it again",
            )
        return KeyTaken(location)


@dataclass(frozen=True)
class Promise:
    """What a store does with an object of our own, put there to find out.

    Attributes:
        is_kept: a conditional put leaves what is there alone.
        is_readable: what was put is listed, and reads back as it was put.
    """

    is_kept: bool
    is_readable: bool


def probe(store: ObjectStore) -> Promise:
    """Tries a store's conditional put, with an object under a prefix of its own.

    A bucket with versions is tried as it is: one that would keep the second put as a newer version
    breaks the promise too.

    Raises:
        PipelineError: the store failed.
    """
    key = f"{PROBES}{uuid.uuid4().hex}"
    store.create(key, PROBE)
    try:
        was_free = store.create(key, OTHER_PROBE)
        found = store.get(key)
        is_listed = any(stored.key == key for stored in store.list(PROBES))
    finally:
        store.delete(key)
    return Promise(
        is_kept=not was_free and found != OTHER_PROBE,
        is_readable=is_listed and found in (PROBE, OTHER_PROBE),
    )


def require_promise(store: ObjectStore) -> None:
    """Makes sure, once a store and process, that a store keeps what is put once.

    Raises:
        PipelineError: upload: it doesn't, or the store failed.
    """
    if store in _keeping:
        return
    if not probe(store).is_kept:
        raise failure(BROKEN_PROMISE, next_step=ANOTHER_STORE, is_transient=False)
    _keeping.add(store)


_keeping: WeakSet[ObjectStore] = WeakSet()  # stores that this process has tried


def failure(what: str, *, next_step: str | None, is_transient: bool) -> PipelineError:
    """Returns the failure of a store; where no remedy is known, one for its nature."""
    remedy = next_step or (RUN_IT_AGAIN if is_transient else FIX_THE_CAUSE)
    return upload_error(what, is_transient=is_transient, next_step=remedy)


def is_key(key: str) -> bool:
    """Says whether a text can be the key of an object, in a bucket and in a folder."""
    parts_are_fit = all(part and not part.startswith(".") for part in key.split("/"))
    return parts_are_fit and key.isprintable()


def checked(key: str) -> str:
    """Returns a key that can be one.

    Raises:
        PipelineError: defect: it can't.
    """
    if not is_key(key):
        raise defect(
            f"{key!r} can't be the key of an object: it is not a plain relative path",
            next_step="nothing was put or read; check the prefix in VYE_OBJECT_STORE_URL and "
            "VYE_SNAPSHOT_URL for a dot at a name's beginning and for `//`",
        )
    return key


def readable(key: str) -> str:
    """Returns a key that may be somebody else's object.

    Raises:
        PipelineError: defect: it leads out of the store.
    """
    return key if is_readable(key) else checked(key)


def is_readable(key: str) -> bool:
    """Says whether a key, which may be somebody else's, leads nowhere but into the store."""
    return bool(key) and "\0" not in key and not key.startswith("/") and ".." not in key.split("/")


def is_folder_marker(stored: StoredObject) -> bool:
    """Says whether an object stands for a folder that somebody made in a console."""
    return stored.key.endswith("/") and stored.size == 0


def folder_of(prefix: str) -> str:
    """Returns the part of a prefix that must be a whole folder."""
    folder = prefix.rpartition("/")[0]
    return checked(folder) if folder else ""
