"""Objects as files of a folder, with a bucket's guarantees: durable, whole, never overwritten."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vye_pipeline.storage.object_store import (
    ObjectMissing,
    ObjectStore,
    StoredObject,
    checked,
    failure,
    folder_of,
    readable,
)

ALLOW_THE_FOLDER = "let this job's user write there, then run it again"
GIVE_A_FOLDER = "give a folder, not a file, then run it again"
FREE_SPACE = "free disk space, then run it again"
NEXT_STEPS = {
    "EACCES": ALLOW_THE_FOLDER,
    "EPERM": "let this job's user write there, on a file system with hard links, then run it again",
    "EROFS": ALLOW_THE_FOLDER,
    "EEXIST": GIVE_A_FOLDER,
    "ENOTDIR": GIVE_A_FOLDER,
    "ENOSPC": FREE_SPACE,
    "EDQUOT": FREE_SPACE,
}
TRANSIENT_ERROR_NUMBERS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT}
)
UNFINISHED = ".unfinished"
NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderStore(ObjectStore):
    """Objects as plain files of a folder, never links. `.unfinished…` is what is being written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return str(self.root / readable(key))

    def create(self, key: str, content: bytes) -> bool:
        """See ObjectStore. A hard link fails where its name is taken, even in a race."""
        path = Path(self.location(checked(key)))
        with _classified_file_errors("writing", path), _written_beside(path, content) as temporary:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                return False
            return True

    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        path = Path(self.location(checked(key)))
        with _classified_file_errors("writing", path), _written_beside(path, content) as temporary:
            temporary.replace(path)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        path = Path(self.location(key))
        with _classified_file_errors("reading", path):
            try:
                return _content(path)
            except NOTHING_THERE:
                raise ObjectMissing(str(path)) from None

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = Path(self.location(checked(key)))
        with _classified_file_errors("removing", path), suppress(*NOTHING_THERE):
            path.unlink()
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        inner = folder_of(prefix)
        folder, beginning = self.root / inner, prefix[len(inner) :].lstrip("/")
        with _classified_file_errors("listing", folder):
            objects = [
                found for entry in _files(folder, beginning) for found in self._stored(entry)
            ]
        return sorted(objects, key=lambda found: found.key)

    def _stored(self, entry: os.DirEntry[str]) -> Iterator[StoredObject]:
        with suppress(FileNotFoundError):  # deleted since the folder was read
            status = entry.stat(follow_symlinks=False)
            etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
            key = Path(entry.path).relative_to(self.root).as_posix()
            yield StoredObject(key, etag, status.st_size)


def _content(path: Path) -> bytes:
    """Reads a plain file; what is none (a link, a pipe that waits for its writer) isn't there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileNotFoundError from None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError
        return file.read()


@contextmanager
def _classified_file_errors(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise failure(
            f"{action} in the folder failed: {code}, at {path}",
            next_step=NEXT_STEPS.get(code),
            is_transient=error.errno in TRANSIENT_ERROR_NUMBERS,
        ) from error


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """Yields a complete copy in the same folder; what is then done with it is made durable."""
    _make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path | str, beginning: str = "") -> Iterator[os.DirEntry[str]]:
    """Yields the plain files in a folder and below it; no link is followed.

    Args:
        folder: where.
        beginning: of the names in the folder itself: others aren't looked into.
    """
    with suppress(*NOTHING_THERE), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(UNFINISHED) or not entry.name.startswith(beginning):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry
