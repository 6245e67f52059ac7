"""Where files lie: what an S3 bucket (s3_store.py) and a folder (folder_store.py) both guarantee.

An object is put whole or not at all, and put once where BDN reads it (bdn-interface.md, part 2).
Contents hold personal data: messages name keys, never contents or digests of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from vye_pipeline.errors import Cause, PipelineError, defect, upload_error

RUN_IT_AGAIN = "run it again; if it goes on failing, look at the network and the store's own status"
FIX_THE_CAUSE = "look the code up in the store's documentation, fix the cause and run it again"


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
    """Objects by key. A key is relative, and none of its parts is empty or starts with a dot."""

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
        """Stores an object, whole or not at all, in place of what lies at its key.

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

        Raises:
            PipelineError: the store failed.
        """

    def put_once(self, key: str, content: bytes) -> PutOutcome:
        """Stores an object if its key is free, and reads it back (bdn-interface.md, part 2).

        Returns:
            STORED, or ALREADY_THERE if the same bytes lay there: from another run, or from a try
            of this one whose answer was lost.

        Raises:
            PipelineError: other bytes lie at the key (they stay), or the store failed.
        """
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
                next_step="look at what lies there, remove it if BDN has not read it, run it again",
            )
        return KeyTaken(location)


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
            next_step="report it to the pipeline's developers",
        )
    return key


def folder_of(prefix: str) -> str:
    """Returns the part of a prefix that must be a whole folder."""
    folder = prefix.rpartition("/")[0]
    return checked(folder) if folder else ""
