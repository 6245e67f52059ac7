"""KMS: its client, and what its answers mean to those who keep something under one of its keys."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vye_pipeline.cleartext import require_https
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.outlets import plain_code

AT_ONCE = 24
ATTEMPTS = 8
CONNECT_SECONDS, READ_SECONDS = 5, 10
LARGEST_BLOB = 6144  # bytes, by KMS's own limit
# Of what is stored, not of KMS: damaged or wrapped for another context; under another key.
INVALID_CIPHERTEXT, INCORRECT_KEY = "InvalidCiphertextException", "IncorrectKeyException"
CHECK_KEY = "check {setting} and AWS_REGION"
CHECK_CREDENTIALS = "check the AWS credentials or the role of this job"
CHECK_NETWORK = "check AWS_REGION, AWS_ENDPOINT_URL_KMS and the way to KMS"
NEXT_STEPS = {
    "AccessDeniedException": "allow this job's role {rights} (docs/deployment/kms-policy.json)",
    "DisabledException": "enable the KMS key",
    "KMSInvalidStateException": "look at the KMS key: it is pending deletion or unavailable",
    "NotFoundException": CHECK_KEY,
    INCORRECT_KEY: "what is stored is under another KMS key: " + CHECK_KEY,
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
class Use:
    """What a part of the pipeline needs KMS for.

    Attributes:
        what: it asks for, in words.
        cause: where to look when KMS fails.
        setting: the variable that names the key.
        rights: what its role must be allowed.
    """

    what: str
    cause: Cause
    setting: str
    rights: str


class KmsError(PipelineError):
    """KMS can't be asked, or refuses.

    Attributes:
        code: KMS's own, or the name of the error by which it wasn't reached.
    """

    def __init__(self, use: Use, code: str, remedy: str, *, is_transient: bool) -> None:
        """Takes what KMS was asked for and said, and what to do about it."""
        what = "can't be asked for" if is_transient else "refuses"
        super().__init__(
            f"KMS {what} {use.what}: {code}",
            cause=use.cause,
            is_transient=is_transient,
            next_step=f"{remedy.format(setting=use.setting, rights=use.rights)}, then run it again",
        )
        self.code = code


class Kms:
    """KMS, for one use; fit for several threads once it has been asked or opened."""

    def __init__(self, use: Use, *, allow_cleartext: bool = False) -> None:
        """Takes what it is for, and whether http will do; nothing is opened yet."""
        self._use = use
        self._allow_cleartext = allow_cleartext

    def open(self) -> None:
        """Makes the client, which threads then share.

        Raises:
            KmsError: no region is set.
            UsageError: the endpoint is no URL, or one of http.
        """
        _ = self._client

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Asks for something and returns the answer.

        Args:
            operation: as boto3 names it.
            **arguments: the request's.

        Raises:
            KmsError: KMS can't be asked, or refuses.
            UsageError: the endpoint is no URL, or one of http.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            raise _classified(error, self._use) from None
        return answer

    @cached_property
    def _client(self) -> Any:
        """Made on first use: importing boto3 takes a second that nobody needs without KMS."""
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
            raise _classified(error, self._use) from None
        except ValueError:
            words = "KMS can't be used: check AWS_ENDPOINT_URL_KMS and AWS_REGION"
            raise UsageError(words) from None
        endpoint, variable = client.meta.endpoint_url, "AWS_ENDPOINT_URL_KMS"
        require_https(endpoint, "KMS", variable, allow_cleartext=self._allow_cleartext)
        return client


def _classified(error: Exception, use: Use) -> KmsError:
    """Returns what an answer of KMS, or none, means. It carries KMS's code, no value."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", SERVER_ERROR)
        code = plain_code(error.response["Error"]["Code"], status)
        is_passing = code in PASSING or status >= SERVER_ERROR
        remedy = "try again later" if is_passing else CHECK_CREDENTIALS
    else:
        code = type(error).__name__
        is_passing = isinstance(
            error,
            ResponseParserError | exceptions.ConnectionError | exceptions.HTTPClientError,
        ) and not isinstance(error, exceptions.SSLError)
        remedy = "try again later" if is_passing else CHECK_CREDENTIALS
    return KmsError(use, code, NEXT_STEPS.get(code, remedy), is_transient=is_passing)
