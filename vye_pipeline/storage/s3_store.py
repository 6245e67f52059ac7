"""Objects of an S3 bucket: conditional, checksummed, encrypted puts."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, TypeVar

from vye_pipeline.cleartext import require_https
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.retries import retried
from vye_pipeline.storage import s3_errors
from vye_pipeline.storage.object_store import (
    ObjectMissing,
    ObjectStore,
    StoredObject,
    checked,
    folder_of,
    is_folder_marker,
    readable,
)
from vye_pipeline.storage.s3_listing import objects_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 10
PRECONDITION_FAILED = 412
S3_ENCRYPTED = {"ServerSideEncryption": "AES256"}
SINGLE_PUT_BYTES = 5 * 1024**3  # S3 takes no more in one request
PART_BYTES = 256 * 1024**2


class S3Store(ObjectStore):
    """Objects of a bucket, below a prefix. The usual AWS variables apply."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        encryption: Mapping[str, str] | None = None,
        *,
        allow_cleartext: bool = False,
    ) -> None:
        """Takes a bucket, a prefix of all keys, and how S3 is asked to encrypt what is put."""
        self.bucket = bucket
        self._allow_cleartext = allow_cleartext
        self._encryption: Mapping[str, Any] = S3_ENCRYPTED if encryption is None else encryption
        self.prefix = f"{checked(prefix)}/" if prefix else ""

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return f"s3://{self.bucket}/{self._name(key)}"

    @retried
    def create(self, key: str, content: bytes) -> bool:
        """See ObjectStore."""
        checked(key)
        return self._asked("the upload to S3", key, lambda: self._created(key, content))

    @retried
    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        checked(key)
        self._asked("the upload to S3", key, lambda: self._put(key, content))

    @retried
    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        return self._asked("the download from S3", key, lambda: self._got(key))

    @retried
    def delete(self, key: str) -> None:
        """See ObjectStore."""
        where: dict[str, Any] = {"Bucket": self.bucket, "Key": self._name(checked(key))}
        self._asked("the removal from S3", key, lambda: self._client.delete_object(**where))

    @retried
    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        found = self._asked("the listing of S3", folder_of(prefix), lambda: self._listed(prefix))
        return sorted((one for one in found if not is_folder_marker(one)), key=lambda one: one.key)

    def _name(self, key: str) -> str:
        return self.prefix + readable(key)

    def _created(self, key: str, content: bytes) -> bool:
        try:
            self._put(key, content, IfNoneMatch="*")
        except self._client.exceptions.ClientError as error:
            if s3_errors.is_status(error, PRECONDITION_FAILED):
                return False
            raise
        return True

    def _put(self, key: str, content: bytes, **condition: Any) -> None:
        where: dict[str, Any] = {"Bucket": self.bucket, "Key": self._name(key)}
        if len(content) > SINGLE_PUT_BYTES:
            return self._put_in_parts(where, content, condition)
        self._client.put_object(
            **where, Body=content, **_checksum(content), **self._encryption, **condition
        )
        return None

    def _put_in_parts(
        self, where: dict[str, Any], content: bytes, condition: dict[str, Any]
    ) -> None:
        """Puts what is too large for one request; the condition holds when all parts are there."""
        upload = self._client.create_multipart_upload(
            **where, ChecksumAlgorithm="SHA256", **self._encryption
        )
        whole: dict[str, Any] = {**where, "UploadId": upload["UploadId"]}
        try:
            parts: list[Any] = []
            for number, start in enumerate(range(0, len(content), PART_BYTES), 1):
                part = memoryview(content)[start : start + PART_BYTES].tobytes()
                sums = _checksum(part)
                answer = self._client.upload_part(**whole, PartNumber=number, Body=part, **sums)
                known = {"PartNumber": number, "ETag": answer["ETag"]}
                parts.append({**known, "ChecksumSHA256": sums["ChecksumSHA256"]})
            self._client.complete_multipart_upload(
                **whole, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            with suppress(Exception):
                self._client.abort_multipart_upload(**whole)
            raise

    def _got(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self._name(key))
        except self._client.exceptions.NoSuchKey:
            raise ObjectMissing(self.location(key)) from None
        return answer["Body"].read()

    def _listed(self, prefix: str) -> Sequence[StoredObject]:
        start = self.prefix + prefix
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=start
        )
        return [
            replace(one, key=one.key.removeprefix(self.prefix))
            for page in pages
            for one in objects_of(page, start)
        ]

    @cached_property
    def _client(self) -> S3Client:
        """Made on first use: importing boto3 takes a second that a folder store never needs."""
        from boto3.session import Session
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        try:
            # boto3 by itself only reads AWS_DEFAULT_REGION
            session = Session(region_name=os.environ.get("AWS_REGION"))
            client = session.client("s3", config=config)
        except JSONDecodeError:  # of a credential process
            raise
        except ValueError:
            raise UsageError("S3 can't be used: check AWS_ENDPOINT_URL_S3 and AWS_REGION") from None
        require_https(
            client.meta.endpoint_url,
            "S3",
            "AWS_ENDPOINT_URL_S3",
            allow_cleartext=self._allow_cleartext,
        )
        return client

    def _asked(self, action: str, key: str, work: Callable[[], Result]) -> Result:
        """Does some work with S3; whatever comes out of it but a result is a classified failure.

        Credentials that are refused are read again, once: they may have been renewed on disk.
        """
        try:
            try:
                return work()
            except Exception as error:
                if s3_errors.code_of(error) not in s3_errors.STALE_CREDENTIALS:
                    raise
                self.__dict__.pop("_client", None)
                return work()
        except (PipelineError, UsageError):
            raise
        except Exception as error:
            shown = key if key.isprintable() else repr(key)
            location = f"s3://{self.bucket}/{self.prefix}{shown}"
            raise s3_errors.classified(error, action, location, self._endpoint) from error

    @property
    def _endpoint(self) -> str:
        client = self.__dict__.get("_client")
        known = client.meta.endpoint_url if client else None
        return known or os.environ.get("AWS_ENDPOINT_URL_S3") or "s3.amazonaws.com"


def _checksum(content: bytes) -> dict[str, Any]:
    """Returns what makes S3 verify that it has these bytes."""
    digest = b64encode(hashlib.sha256(content).digest()).decode()
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": digest}
