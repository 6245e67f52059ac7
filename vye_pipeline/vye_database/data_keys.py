"""The rows' data keys, opened by KMS (docs/production.md, "What a row holds").

One call a distinct row, its answer kept in memory only. A key that belongs to another row, or is
damaged, is that row's fault; whatever else KMS answers is a failure of the source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vye_pipeline.cleartext import require_https
from vye_pipeline.errors import PipelineError, UsageError, source_error
from vye_pipeline.in_flight import in_flight
from vye_pipeline.retries import retried
from vye_pipeline.vye_database.column_cipher import KEY_BYTES, decoded
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID, PREFIX, unwrap_insecurely

AT_ONCE = 24
ATTEMPTS = 8
CONNECT_SECONDS, READ_SECONDS = 5, 10
LARGEST_BLOB = 6144  # bytes, by KMS's own limit
VERSION = re.compile(r"v\d+:")  # a year, not authenticated: says nothing
OF_ONE_ROW = "InvalidCiphertextException"
CHECK_KEY = "check VYE_COLUMN_KMS_KEY_ID and AWS_REGION"
CHECK_RIGHTS = "allow this job's role kms:Decrypt (docs/deployment/kms-policy.json)"
CHECK_CREDENTIALS = "check the AWS credentials or the role of this job"
CHECK_NETWORK = "check AWS_REGION, AWS_ENDPOINT_URL_KMS and the way to KMS"
NEXT_STEPS = {
    "AccessDeniedException": CHECK_RIGHTS,
    "DisabledException": "enable the KMS key",
    "KMSInvalidStateException": "look at the KMS key: it is pending deletion or unavailable",
    "NotFoundException": CHECK_KEY,
    "IncorrectKeyException": "rows are under another KMS key: " + CHECK_KEY,
    "InvalidKeyUsageException": CHECK_KEY,
    "NoRegionError": "set AWS_REGION",
    "EndpointConnectionError": CHECK_NETWORK,
    "ConnectTimeoutError": CHECK_NETWORK,
    "SSLError": CHECK_NETWORK,
}
PASSING = frozenset(
    {
        "ThrottlingException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "KMSInternalException",
        "DependencyTimeoutException",
        "KeyUnavailableException",
    }
)
SERVER_ERROR = 500


@dataclass(frozen=True)
class WrappedKey:
    """A row's data key as it is stored.

    Attributes:
        model: the row's, in the encryption context.
        row_id: the same.
        stored: encrypted_kms_key, empty where it is null.
    """

    model: str
    row_id: int
    stored: str

    @property
    def encryption_context(self) -> dict[str, str]:
        """What KMS must be told to open it."""
        return {"model_name": self.model, "model_id": str(self.row_id)}

    @property
    def blob(self) -> bytes | None:
        """The wrapped key without its version, None where it can't be one."""
        try:
            blob = decoded(VERSION.sub("", self.stored, count=1))
        except ValueError:
            return None
        return blob if 0 < len(blob) <= LARGEST_BLOB else None


class DataKeys:
    """Opens data keys, each once as long as it is remembered."""

    def __init__(self, kms_key_id: str | None, *, allow_cleartext: bool = False) -> None:
        """Takes the only KMS key that may open them (None for any), and whether http will do."""
        self.calls = 0
        self._allow_cleartext = allow_cleartext
        self._kms_key_id = kms_key_id
        self._opened: dict[WrappedKey, bytes | None] = {}

    def forget(self) -> None:
        """Forgets every key."""
        self._opened.clear()
        self.calls = 0

    @retried
    def open(self, wrapped: Collection[WrappedKey]) -> dict[WrappedKey, bytes | None]:
        """Returns the data keys, None where a row's can't be opened.

        Raises:
            PipelineError: source: KMS can't be asked, or refuses.
            UsageError: the settings can't be used.
        """
        unknown = {key for key in wrapped if key not in self._opened}
        callable_keys = []
        for key in unknown:
            if self._kms_key_id == INSECURE_KEY_ID:
                self._opened[key] = unwrap_insecurely(key.blob, key.encryption_context)
            elif key.blob is None or key.blob.startswith(PREFIX):
                self._opened[key] = None
            else:
                callable_keys.append(key)
        if callable_keys:
            self._ask(callable_keys)
        return {key: self._opened[key] for key in wrapped}

    def _ask(self, keys: list[WrappedKey]) -> None:
        _ = self._client  # made once, before the threads
        for key, opened in in_flight(self._decrypt, keys, at_once=AT_ONCE, what="data keys"):
            self._opened[key] = opened
            self.calls += 1

    def _decrypt(self, key: WrappedKey) -> bytes | None:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        pinned = {"KeyId": self._kms_key_id} if self._kms_key_id else {}
        try:
            answer = self._client.decrypt(
                CiphertextBlob=key.blob, EncryptionContext=key.encryption_context, **pinned
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == OF_ONE_ROW:
                return None
            raise _refusal(error) from None
        except (BotoCoreError, ResponseParserError) as error:
            raise _refusal(error) from None
        opened: bytes = answer["Plaintext"]
        return opened if len(opened) == KEY_BYTES else None

    @cached_property
    def _client(self) -> Any:
        return kms_client(allow_cleartext=self._allow_cleartext)


def kms_client(*, allow_cleartext: bool) -> Any:
    """Opens KMS; importing boto3 takes a second that a copy in the clear never needs.

    Raises:
        PipelineError: source: no region is set.
        UsageError: the endpoint is no URL, or one of http.
    """
    from boto3.session import Session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=AT_ONCE,
        parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    try:
        # boto3 by itself only reads AWS_DEFAULT_REGION
        session = Session(region_name=os.environ.get("AWS_REGION"))
        client = session.client("kms", config=config)
    except BotoCoreError as error:
        raise _refusal(error) from None
    except ValueError:
        raise UsageError("KMS can't be used: check AWS_ENDPOINT_URL_KMS and AWS_REGION") from None
    require_https(
        client.meta.endpoint_url, "KMS", "AWS_ENDPOINT_URL_KMS", allow_cleartext=allow_cleartext
    )
    return client


def _refusal(error: Exception) -> PipelineError:
    """Returns what an answer of KMS, or none, means. It carries KMS's code, no value."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", SERVER_ERROR)
        is_passing = code in PASSING or status >= SERVER_ERROR
        remedy = CHECK_CREDENTIALS
    else:
        code = type(error).__name__
        is_passing = isinstance(
            error,
            ResponseParserError | exceptions.ConnectionError | exceptions.HTTPClientError,
        ) and not isinstance(error, exceptions.SSLError)
        remedy = CHECK_CREDENTIALS if not is_passing else CHECK_NETWORK
    what = "KMS can't be asked for data keys" if is_passing else "KMS refuses to open data keys"
    remedy = NEXT_STEPS.get(code, "try again later" if is_passing else remedy)
    return source_error(
        f"{what}: {code}", is_transient=is_passing, next_step=f"{remedy}, then run it again"
    )
