"""Where files lie: an S3 bucket, or a folder with the same guarantees.

An object is put whole or not at all, and put once where BDN reads it (bdn-interface.md, part 2).
Every failure becomes a classified error here. Contents hold personal data: messages name keys
and digests, never contents.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vye_pipeline.errors import Cause, PipelineError, UsageError, defect, upload_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RUN_IT_AGAIN = "run it again; if it goes on failing, look at the network and the store's own status"
FIX_THE_CAUSE = "look the code up in the store's documentation, fix the cause and run it again"
CHECK_CREDENTIALS = "check the AWS credentials or the role of this job, then run it again"
RENEW_CREDENTIALS = "renew the AWS credentials, then run it again"
ALLOW_THE_BUCKET = (
    "allow this job's role s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket there, "
    "then run it again"
)
CHECK_THE_BUCKET = "check the bucket's name and that it exists, then run it again"
CHECK_THE_REGION = "set AWS_REGION to the bucket's region, then run it again"
ALLOW_THE_FOLDER = "let this job's user write there, then run it again"
GIVE_A_FOLDER = "give a folder, not a file, then run it again"
FREE_SPACE = "free disk space, then run it again"

NEXT_STEPS = {
    "AccessDenied": ALLOW_THE_BUCKET,
    "NoSuchBucket": CHECK_THE_BUCKET,
    "InvalidBucketName": CHECK_THE_BUCKET,
    "ParamValidationError": CHECK_THE_BUCKET,
    "AuthorizationHeaderMalformed": CHECK_THE_REGION,
    "PermanentRedirect": CHECK_THE_REGION,
    "InvalidAccessKeyId": CHECK_CREDENTIALS,
    "SignatureDoesNotMatch": CHECK_CREDENTIALS,
    "NoCredentialsError": CHECK_CREDENTIALS,
    "PartialCredentialsError": CHECK_CREDENTIALS,
    "ExpiredToken": RENEW_CREDENTIALS,
    "InvalidToken": RENEW_CREDENTIALS,
    "RequestTimeTooSkewed": "set this machine's clock right, then run it again",
    "EACCES": ALLOW_THE_FOLDER,
    "EPERM": "let this job's user write there, on a file system with hard links, then run it again",
    "EROFS": ALLOW_THE_FOLDER,
    "EEXIST": GIVE_A_FOLDER,
    "ENOTDIR": GIVE_A_FOLDER,
    "ENOSPC": FREE_SPACE,
    "EDQUOT": FREE_SPACE,
}

ATTEMPTS = 5
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 15
KEY_IS_TAKEN_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
TRANSIENT_CODES = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "XAmzContentChecksumMismatch",
    }
)
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
TRANSIENT_ERROR_NUMBERS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT}
)
NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


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
        expected = _sha256(content)
        try:
            is_new = self.create(key, content)
        except PipelineError as error:
            if error.is_transient and self._holds(key, expected):
                return PutOutcome.ALREADY_THERE
            raise
        found = self.digest(key)
        if found != expected:
            raise self._contradiction(key, expected, found, is_new=is_new)
        return PutOutcome.STORED if is_new else PutOutcome.ALREADY_THERE

    def digest(self, key: str) -> str | None:
        """Returns the SHA-256 of what lies at a key, in hexadecimal, None where nothing does.

        Raises:
            PipelineError: the store failed.
        """
        try:
            return _sha256(self.get(key))
        except ObjectMissing:
            return None

    def _holds(self, key: str, expected: str) -> bool:
        with suppress(PipelineError):
            return self.digest(key) == expected
        return False

    def _contradiction(
        self, key: str, expected: str, found: str | None, *, is_new: bool
    ) -> PipelineError:
        location = self.location(key)
        if found is None:
            return upload_error(
                f"{location} was removed by somebody else while it was being put",
                is_transient=True,
                next_step=RUN_IT_AGAIN,
            )
        digests = f"SHA-256 {found} lies there, {expected} was put"
        if is_new:
            return upload_error(
                f"{location} reads back with other bytes than were put: {digests}",
                is_transient=False,
                next_step="look at what lies there, remove it if BDN has not read it, run it again",
            )
        return upload_error(
            f"{location} is taken by other bytes, nothing was overwritten: {digests}",
            is_transient=False,
            next_step="find out which of the two BDN has to get before anything is sent again",
        )


class FolderStore(ObjectStore):
    """Objects as files of a folder. Files that start with a dot are unfinished, not objects."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return str(self.root / _checked(key))

    def create(self, key: str, content: bytes) -> bool:
        """See ObjectStore. A hard link fails where its name is taken, even in a race."""
        path = Path(self.location(key))
        with _classified_file_errors("writing", path), _written_beside(path, content) as temporary:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                return False
            return True

    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        path = Path(self.location(key))
        with _classified_file_errors("writing", path), _written_beside(path, content) as temporary:
            temporary.replace(path)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        path = Path(self.location(key))
        with _classified_file_errors("reading", path):
            try:
                return path.read_bytes()
            except NOTHING_THERE:
                raise ObjectMissing(str(path)) from None

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = Path(self.location(key))
        with _classified_file_errors("removing", path), suppress(*NOTHING_THERE):
            path.unlink()
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        folder = self.root / _folder_of(prefix)
        with _classified_file_errors("listing", folder):
            objects = [found for path in _files(folder) for found in self._stored(path)]
        return sorted(
            (found for found in objects if found.key.startswith(prefix)),
            key=lambda found: found.key,
        )

    def _stored(self, path: Path) -> Iterator[StoredObject]:
        with suppress(FileNotFoundError):  # deleted since the folder was read
            status = path.stat()
            etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
            yield StoredObject(path.relative_to(self.root).as_posix(), etag, status.st_size)


class S3Store(ObjectStore):
    """Objects of a bucket, below a prefix. The usual AWS variables apply."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = f"{_checked(prefix)}/" if prefix else ""

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return f"s3://{self.bucket}/{self._name(key)}"

    def create(self, key: str, content: bytes) -> bool:
        """See ObjectStore."""
        with self._classified_errors("the upload to S3", key):
            try:
                self._put(key, content, IfNoneMatch="*")
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in KEY_IS_TAKEN_CODES:
                    return False
                raise
            return True

    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        with self._classified_errors("the upload to S3", key):
            self._put(key, content)

    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        with self._classified_errors("the download from S3", key):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._name(key))
            except self._client.exceptions.NoSuchKey:
                raise ObjectMissing(self.location(key)) from None
            return answer["Body"].read()

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._classified_errors("the removal from S3", key):
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        with self._classified_errors("the listing of S3", _folder_of(prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            objects = [
                StoredObject(
                    found["Key"].removeprefix(self.prefix), found["ETag"].strip('"'), found["Size"]
                )
                for page in pages
                for found in page.get("Contents", [])
            ]
        return sorted(
            (found for found in objects if _is_key(found.key)), key=lambda found: found.key
        )

    def _name(self, key: str) -> str:
        return self.prefix + _checked(key)

    def _put(self, key: str, content: bytes, **condition: Any) -> None:
        self._client.put_object(
            Bucket=self.bucket,
            Key=self._name(key),
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=b64encode(hashlib.sha256(content).digest()).decode(),
            ServerSideEncryption="AES256",
            **condition,
        )

    @cached_property
    def _client(self) -> S3Client:
        """Made on first use: importing boto3 takes a second that a folder store never needs."""
        from boto3.session import Session
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        try:
            # boto3 by itself only reads AWS_DEFAULT_REGION
            session = Session(region_name=os.environ.get("AWS_REGION"))
            return session.client("s3", config=config)
        except ValueError:
            raise UsageError("S3 can't be used: check AWS_ENDPOINT_URL_S3 and AWS_REGION") from None

    @contextmanager
    def _classified_errors(self, action: str, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            code = _s3_code(error)
            location = f"s3://{self.bucket}/{self.prefix}{key}"
            raise _failure(
                f"{action} failed: {code}, at {location}",
                code=code,
                is_transient=_is_transient_in_s3(error),
            ) from error


def open_object_store(url: str) -> ObjectStore:
    """Returns the object store at `file:///folder` or `s3://bucket[/prefix]`, taken literally.

    Nothing is read or made yet.

    Raises:
        UsageError: the URL is neither.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderStore(Path(rest))
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme == "s3" and bucket and (not prefix or _is_key(prefix)):
        return S3Store(bucket, prefix)
    raise UsageError("an object store is file:///folder or s3://bucket/prefix")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_key(key: str) -> bool:
    parts_are_fit = all(part and not part.startswith(".") for part in key.split("/"))
    return parts_are_fit and key.isprintable()


def _checked(key: str) -> str:
    if not _is_key(key):
        raise defect(
            f"{key!r} can't be the key of an object: it is not a plain relative path",
            next_step="report it to the pipeline's developers",
        )
    return key


def _folder_of(prefix: str) -> str:
    folder = prefix.rpartition("/")[0]
    return _checked(folder) if folder else ""


def _failure(what: str, *, code: str, is_transient: bool) -> PipelineError:
    next_step = NEXT_STEPS.get(code, RUN_IT_AGAIN if is_transient else FIX_THE_CAUSE)
    return upload_error(what, is_transient=is_transient, next_step=next_step)


def _s3_code(error: Exception) -> str:
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return error.response["Error"]["Code"]
    return type(error).__name__


def _is_transient_in_s3(error: Exception) -> bool:
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        is_busy = status >= SERVER_ERROR or status == TOO_MANY_REQUESTS
        return is_busy or error.response["Error"]["Code"] in TRANSIENT_CODES
    return isinstance(
        error,
        exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.IncompleteReadError
        | exceptions.FlexibleChecksumError,
    )


@contextmanager
def _classified_file_errors(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise _failure(
            f"{action} in the folder failed: {code}, at {path}",
            code=code,
            is_transient=error.errno in TRANSIENT_ERROR_NUMBERS,
        ) from error


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """Yields a complete copy in the same folder; what is then done with it is made durable."""
    _make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
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


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
