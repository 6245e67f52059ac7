"""What can come out of S3's client, as one classified line that names file, variable or host.

Servers, proxies, credential sources and TLS fail in their own ways. Nothing that they raise is the
pipeline's defect, and what nobody has foreseen is a permanent failure that keeps its own name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from vye_pipeline.errors import PipelineError
from vye_pipeline.outlets import plain_code
from vye_pipeline.storage.object_store import ANOTHER_STORE, failure
from vye_pipeline.storage.s3_listing import NoListing

CHECK_CREDENTIALS = "check the AWS credentials or the role of this job, then run it again"
RENEW_CREDENTIALS = "renew the AWS credentials, then run it again"
CHECK_THE_ROLE = (
    "check AWS_ROLE_ARN, the role's trust policy and the token it is asked for with, "
    "then run it again"
)
ALLOW_THE_BUCKET = (
    "allow this job's role s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket there, "
    "then run it again"
)
CHECK_THE_BUCKET = "check the bucket's name and that it exists, then run it again"
CHECK_THE_REGION = "set AWS_REGION to the bucket's region, then run it again"
CHECK_THE_KMS_KEY = (
    "check VYE_KMS_KEY_ID and that this job's role may use the key (kms:GenerateDataKey and "
    "kms:Decrypt), then run it again"
)
CHECK_THE_PROCESS = (
    "check credential_process in the AWS configuration file (its program must print JSON), "
    "then run it again"
)
CHECK_THE_SETTING = "check the AWS variables and the profile, then run it again"
SET_ENCRYPTION = "set VYE_S3_ENCRYPTION to what the store supports (`none` where it has none)"
NEXT_STEPS = {
    "AccessDenied": ALLOW_THE_BUCKET,
    "AllAccessDisabled": ALLOW_THE_BUCKET,
    "NoSuchBucket": CHECK_THE_BUCKET,
    "InvalidBucketName": CHECK_THE_BUCKET,
    "ParamValidationError": CHECK_THE_BUCKET,
    "AuthorizationHeaderMalformed": CHECK_THE_REGION,
    "IllegalLocationConstraintException": CHECK_THE_REGION,
    "PermanentRedirect": CHECK_THE_REGION,
    "NoRegionError": CHECK_THE_REGION,
    "InvalidRegionError": CHECK_THE_REGION,
    "InvalidAccessKeyId": CHECK_CREDENTIALS,
    "SignatureDoesNotMatch": CHECK_CREDENTIALS,
    "NoCredentialsError": CHECK_CREDENTIALS,
    "PartialCredentialsError": CHECK_CREDENTIALS,
    "CredentialRetrievalError": CHECK_THE_PROCESS,
    "JSONDecodeError": CHECK_THE_PROCESS,
    "ConfigParseError": "correct the AWS configuration file, then run it again",
    "ProfileNotFound": "set AWS_PROFILE to a profile of the AWS configuration file",
    "ExpiredToken": RENEW_CREDENTIALS,
    "ExpiredTokenException": RENEW_CREDENTIALS,
    "InvalidToken": RENEW_CREDENTIALS,
    "TokenRetrievalError": "sign in again (aws sso login), then run it again",
    "SSOTokenLoadError": "sign in again (aws sso login), then run it again",
    "UnauthorizedSSOTokenError": "sign in again (aws sso login), then run it again",
    "InvalidIdentityToken": CHECK_THE_ROLE,
    "IDPCommunicationError": CHECK_THE_ROLE,
    "KMS.NotFoundException": CHECK_THE_KMS_KEY,
    "KMS.DisabledException": CHECK_THE_KMS_KEY,
    "KMS.KMSInvalidStateException": CHECK_THE_KMS_KEY,
    "InvalidObjectState": "restore the object from its archive's storage class, and keep objects "
    "of this bucket out of Glacier",
    "NotImplemented": SET_ENCRYPTION,
    "InsufficientStorage": "give the store more room, then run it again",
    "RequestTimeTooSkewed": "set this machine's clock right, then run it again",
}
# After these the credentials are read again, for they may have been renewed on disk meanwhile.
STALE_CREDENTIALS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"}
)
TRANSIENT_CODES = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "XAmzContentChecksumMismatch",
    }
)
NOT_IMPLEMENTED, INSUFFICIENT_STORAGE = 501, 507
PERMANENT_STATUSES = frozenset({NOT_IMPLEMENTED, INSUFFICIENT_STORAGE})
CODES = {NOT_IMPLEMENTED: "NotImplemented", INSUFFICIENT_STORAGE: "InsufficientStorage"}
REDIRECTS = range(300, 400)
TOO_MANY_REQUESTS, SERVER_ERROR = 429, 500
# Variables that name files, which are read while a request is made.
FILE_VARIABLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
ALWAYS_READ = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
LONGEST_MESSAGE = 200


def classified(error: Exception, action: str, location: str, endpoint: str) -> PipelineError:
    """Returns what has gone wrong with S3 as a failure.

    Args:
        error: that S3's client has raised, of whatever class.
        action: what was being done, in words.
        location: of the object.
        endpoint: the address that is spoken to.
    """
    code, status = code_of(error), _status(error)
    details = "; ".join(_details(error, code, endpoint))
    return failure(
        f"{action} failed: {code}{f' ({details})' if details else ''}, at {location}",
        next_step=_next_step(error, code, status, endpoint),
        is_transient=_is_transient(error, code, status),
    )


def code_of(error: Exception) -> str:
    """Returns the code that a server gave, or else the name of an error's class."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return type(error).__name__
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code.isdecimal() and int(code) in CODES:
        return CODES[int(code)]
    return plain_code(code, _status(error))


def is_status(error: Exception, status: int) -> bool:
    """Says whether a server answered with an HTTP status."""
    return _status(error) == status


def _status(error: Exception) -> int:
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _details(error: Exception, code: str, endpoint: str) -> Iterator[str]:
    """Yields what helps: the server's own words, the file, the variable, the host."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        words = _plain(str(error.response.get("Error", {}).get("Message", "")))
        if words and words != code:
            yield words
        if _is_sts(error):
            yield "asked of STS for the role's credentials"
    elif isinstance(error, NoListing):
        yield str(error)
    elif isinstance(error, exceptions.ProxyConnectionError):
        yield from (f"{name} is {_host(os.environ[name])}" for name in _set(PROXY_VARIABLES)[:1])
    elif isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        yield _host(endpoint)
        yield from _unreadable_files(error)
    else:
        yield from _unreadable_files(error)


def _next_step(error: Exception, code: str, status: int, endpoint: str) -> str | None:
    from botocore import exceptions

    if isinstance(error, NoListing):
        return "ask for a way around the proxy or filter between this machine and the store"
    if isinstance(error, exceptions.ProxyConnectionError):
        return "check the proxy of HTTPS_PROXY, its sign-in (407) and NO_PROXY, then run it again"
    if _is_sent_elsewhere(error):
        return _elsewhere(endpoint)
    if any(_unreadable_files(error)):
        return (
            "let this job read that file, or correct the variable or the credential_process that "
            "names it"
        )
    if isinstance(error, exceptions.SSLError):
        return (
            f"let the certificate of {_host(endpoint)} be trusted: set AWS_CA_BUNDLE to the file "
            "of its authority, then run it again"
        )
    if isinstance(error, exceptions.ClientError):
        return _step_of_an_answer(error, code, status, endpoint)
    if code in NEXT_STEPS or _is_transient(error, code, status):
        return NEXT_STEPS.get(code)
    return CHECK_THE_SETTING


def _step_of_an_answer(error: Exception, code: str, status: int, endpoint: str) -> str | None:
    """Returns what is to be done about an error that a server has answered, if that is known."""
    if _is_sts(error):
        return NEXT_STEPS[code] if code in STALE_CREDENTIALS else CHECK_THE_ROLE
    words = str(error).lower()
    if "kms" in words:
        return CHECK_THE_KMS_KEY
    if status == NOT_IMPLEMENTED and "encryption" not in words:
        return ANOTHER_STORE  # OpenStack Swift has no conditional puts, and says so
    if code not in NEXT_STEPS and status in REDIRECTS:
        return _elsewhere(endpoint)
    return NEXT_STEPS.get(code)


def _is_transient(error: Exception, code: str, status: int) -> bool:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    if isinstance(error, exceptions.ClientError):
        if status in PERMANENT_STATUSES:
            return False
        is_busy = status >= SERVER_ERROR or status == TOO_MANY_REQUESTS
        was_cut = code == str(status) and status not in REDIRECTS  # no code could be read
        return is_busy or was_cut or code in TRANSIENT_CODES
    if _is_sent_elsewhere(error) or any(_unreadable_files(error)):
        return False
    if isinstance(error, exceptions.SSLError):
        return "certificate" not in str(error).lower()
    return isinstance(
        error,
        NoListing
        | ConnectionError
        | TimeoutError
        | ResponseParserError
        | HTTPError
        | exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.IncompleteReadError
        | exceptions.FlexibleChecksumError
        | exceptions.MetadataRetrievalError
        | exceptions.PaginationError,
    )


def _is_sent_elsewhere(error: Exception) -> bool:
    """Says whether botocore has come to grief over a redirect.

    It follows until it can go no deeper; of a 303, urllib3 can't join the headers that it is given.
    """
    from botocore.exceptions import HTTPClientError

    wrapped = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
    is_circle = isinstance(error, RecursionError) or "recursion" in str(error).lower()
    return is_circle or isinstance(wrapped, TypeError)


def _elsewhere(endpoint: str) -> str:
    return (
        f"{_host(endpoint)} sends elsewhere: check AWS_ENDPOINT_URL_S3 and AWS_REGION, and that "
        "no sign-in page stands before it"
    )


def _is_sts(error: Exception) -> bool:
    return str(getattr(error, "operation_name", "")).startswith("AssumeRole")


def _unreadable_files(error: Exception) -> list[str]:
    """Returns the file that could not be read, with the variable that names it, if any does."""
    from botocore.exceptions import SSLError

    if not isinstance(error, SSLError) and not _is_of_files(error):
        return []
    if isinstance(error, OSError) and error.filename is not None:
        named = [name for name in _set(FILE_VARIABLES) if os.environ[name] == error.filename]
        return [f"{name} names {_plain(str(error.filename))}" for name in named or ["a setting"]]
    return [
        f"{name} names {_plain(os.environ[name])}"
        for name in _set(ALWAYS_READ)
        if not os.access(os.environ[name], os.R_OK)
    ]


def _is_of_files(error: Exception) -> bool:
    """Says whether an error is of this machine's files: time-outs of botocore are OSErrors, too."""
    from botocore.exceptions import BotoCoreError

    of_the_network = ConnectionError | TimeoutError | BotoCoreError
    return isinstance(error, OSError) and not isinstance(error, of_the_network)


def _set(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if os.environ.get(name)]


def _host(url: str) -> str:
    """Returns a URL's host and port, never what stands before them."""
    return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2] or "no host"


def _plain(words: str) -> str:
    """Returns a text from outside as one short line of plain characters."""
    kept = "".join(one if " " <= one <= "~" and one not in "<>`|" else " " for one in words)
    kept = re.sub(r"[0-9]{9,}", lambda digits: f"({len(digits[0])} digits)", " ".join(kept.split()))
    return kept if len(kept) <= LONGEST_MESSAGE else f"{kept[:LONGEST_MESSAGE]}…"
