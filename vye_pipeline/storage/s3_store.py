"""Objects of an S3 bucket: conditional, checksummed, encrypted puts."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vye_pipeline.cleartext import require_https
from vye_pipeline.errors import UsageError
from vye_pipeline.retries import retried
from vye_pipeline.storage.object_store import (
    ObjectMissing,
    ObjectStore,
    StoredObject,
    checked,
    failure,
    folder_of,
    is_key,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHECK_CREDENTIALS = "check the AWS credentials or the role of this job, then run it again"
RENEW_CREDENTIALS = "renew the AWS credentials, then run it again"
ALLOW_THE_BUCKET = (
    "allow this job's role s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket there, "
    "then run it again"
)
CHECK_THE_BUCKET = "check the bucket's name and that it exists, then run it again"
CHECK_THE_REGION = "set AWS_REGION to the bucket's region, then run it again"
CHECK_THE_KMS_KEY = "check VYE_KMS_KEY_ID and that this job's role may use the key, run it again"
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
    "KMS.NotFoundException": CHECK_THE_KMS_KEY,
    "KMS.DisabledException": CHECK_THE_KMS_KEY,
    "RequestTimeTooSkewed": "set this machine's clock right, then run it again",
}

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


class S3Store(ObjectStore):
    """Objects of a bucket, below a prefix. The usual AWS variables apply."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        kms_key_id: str | None = None,
        *,
        allow_cleartext: bool = False,
    ) -> None:
        """Takes a bucket, a prefix of all keys, and the KMS key that encrypts on the server."""
        self.bucket = bucket
        self._allow_cleartext = allow_cleartext
        self._encryption: dict[str, Any] = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
            if kms_key_id
            else {"ServerSideEncryption": "AES256"}
        )
        self.prefix = f"{checked(prefix)}/" if prefix else ""

    def location(self, key: str) -> str:
        """See ObjectStore."""
        return f"s3://{self.bucket}/{self._name(key)}"

    @retried
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

    @retried
    def put(self, key: str, content: bytes) -> None:
        """See ObjectStore."""
        with self._classified_errors("the upload to S3", key):
            self._put(key, content)

    @retried
    def get(self, key: str) -> bytes:
        """See ObjectStore."""
        with self._classified_errors("the download from S3", key):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=self._name(key))
            except self._client.exceptions.NoSuchKey:
                raise ObjectMissing(self.location(key)) from None
            return answer["Body"].read()

    @retried
    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._classified_errors("the removal from S3", key):
            self._client.delete_object(Bucket=self.bucket, Key=self._name(key))

    @retried
    def list(self, prefix: str) -> Sequence[StoredObject]:
        """See ObjectStore."""
        with self._classified_errors("the listing of S3", folder_of(prefix)):
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
            (found for found in objects if is_key(found.key)), key=lambda found: found.key
        )

    def _name(self, key: str) -> str:
        return self.prefix + checked(key)

    def _put(self, key: str, content: bytes, **condition: Any) -> None:
        self._client.put_object(
            Bucket=self.bucket,
            Key=self._name(key),
            Body=content,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=b64encode(hashlib.sha256(content).digest()).decode(),
            **self._encryption,
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
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        try:
            # boto3 by itself only reads AWS_DEFAULT_REGION
            session = Session(region_name=os.environ.get("AWS_REGION"))
            client = session.client("s3", config=config)
        except ValueError:
            raise UsageError("S3 can't be used: check AWS_ENDPOINT_URL_S3 and AWS_REGION") from None
        require_https(
            client.meta.endpoint_url,
            "S3",
            "AWS_ENDPOINT_URL_S3",
            allow_cleartext=self._allow_cleartext,
        )
        return client

    @contextmanager
    def _classified_errors(self, action: str, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
        from urllib3.exceptions import HTTPError  # botocore lets some through

        try:
            yield
        except (BotoCoreError, ClientError, ResponseParserError, HTTPError) as error:
            code = _s3_code(error)
            location = f"s3://{self.bucket}/{self.prefix}{key}"
            raise failure(
                f"{action} failed: {code}, at {location}",
                next_step=NEXT_STEPS.get(code),
                is_transient=_is_transient_in_s3(error),
            ) from error


def _s3_code(error: Exception) -> str:
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return error.response["Error"]["Code"]
    return type(error).__name__


def _is_transient_in_s3(error: Exception) -> bool:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    if isinstance(error, exceptions.ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        is_busy = status >= SERVER_ERROR or status == TOO_MANY_REQUESTS
        code = error.response["Error"]["Code"]
        was_cut = code == str(status)  # so botocore names an answer without a readable code
        return is_busy or was_cut or code in TRANSIENT_CODES
    return isinstance(
        error,
        ResponseParserError
        | HTTPError
        | exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.IncompleteReadError
        | exceptions.FlexibleChecksumError,
    )
