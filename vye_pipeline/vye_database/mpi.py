"""MPI over HTTPS: one request a person, with a client certificate.

Only a lost connection and an answer 5xx are tried again. Whatever else is no answer fails the day.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    ReadTimeoutError,
    ResponseError,
    SSLError,
)

from vye_pipeline.errors import PipelineError, UsageError, source_error
from vye_pipeline.in_flight import in_flight
from vye_pipeline.vye_database.identities import UNKNOWN, Identity
from vye_pipeline.vye_database.mpi_messages import ACTION, ICN, NoAnswerError, identity, request

AT_ONCE = 16
CONNECT_SECONDS, READ_SECONDS = 5, 15
RETRIES = 3
FIRST_WAIT_SECONDS = 0.5
SERVER_ERRORS = range(500, 600)
SUCCESS = 200
TRY_LATER = "try again later; if it stays away, tell those who run MPI"


@dataclass(frozen=True)
class Mpi:
    """The Master Person Index.

    Attributes:
        url: https.
        certificate: file of the client certificate, PEM.
        key: file of its key, PEM, without a passphrase.
        processing_code: P in production, T elsewhere.
    """

    url: str
    certificate: Path
    key: Path
    processing_code: str = "P"

    def ask(self, icns: Collection[str]) -> dict[str, Identity]:
        """See IdentitySource. What can't be an ICN is asked of nobody, and unknown."""
        answers = dict.fromkeys(icns, UNKNOWN)
        asked = [icn for icn in answers if ICN.fullmatch(icn)]
        if asked:
            _ = self._pool  # made once, before the threads
        answers.update(in_flight(self._ask_one, asked, at_once=AT_ONCE, what="identities"))
        return answers

    def _ask_one(self, icn: str) -> Identity:
        try:
            answer = self._pool.request(
                "POST",
                self.url,
                body=request(icn, self.processing_code, datetime.now(UTC)),
                headers={"Content-Type": "text/xml;charset=UTF-8", "SOAPAction": ACTION},
                redirect=False,
            )
        except HTTPError as error:
            raise _unreachable(error) from None
        if answer.status != SUCCESS:
            raise _no_answer(f"it answers {answer.status}", is_transient=False)
        try:
            return identity(icn, answer.data)
        except NoAnswerError as error:
            raise _no_answer(str(error), is_transient=False) from None

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        retries = urllib3.Retry(
            total=RETRIES,
            allowed_methods=None,  # also a POST: it only asks
            status_forcelist=SERVER_ERRORS,
            other=0,
            backoff_factor=FIRST_WAIT_SECONDS,
            backoff_jitter=FIRST_WAIT_SECONDS,
            respect_retry_after_header=False,
        )
        return urllib3.PoolManager(
            maxsize=AT_ONCE,
            ssl_context=self._certificates(),
            retries=retries,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )

    def _certificates(self) -> ssl.SSLContext:
        """Checks the server's certificate and name, and shows ours."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        except (OSError, UsageError):  # ssl.SSLError is an OSError
            raise UsageError(
                "VYE_IDENTITY_CLIENT_CERT and VYE_IDENTITY_CLIENT_KEY can't be used: give PEM "
                "files that belong together, the key without a passphrase"
            ) from None
        return context


def _no_passphrase() -> str:
    """Keeps OpenSSL from asking at a terminal."""
    raise UsageError("VYE_IDENTITY_CLIENT_KEY has a passphrase")


def open_mpi(url: str, certificate: Path | None, key: Path | None, processing_code: str) -> Mpi:
    """Returns MPI as the settings name it.

    Raises:
        UsageError: a setting is missing, or the URL has no host.
    """
    if certificate is None or key is None:
        raise UsageError(
            "VYE_IDENTITY_CLIENT_CERT and VYE_IDENTITY_CLIENT_KEY are missing: MPI asks for a "
            "client certificate"
        )
    if not urlsplit(url).hostname:
        raise UsageError("VYE_IDENTITY_URL is no URL: give https://host/path")
    return Mpi(url, certificate, key, processing_code)


def _unreachable(error: HTTPError) -> PipelineError:
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(reason, SSLError):
        return source_error(
            "MPI can't be asked: its certificate, or ours, is not accepted",
            is_transient=False,
            next_step="check VYE_IDENTITY_URL, VYE_IDENTITY_CLIENT_CERT and the machine's "
            "certificate authorities (SSL_CERT_FILE), then run it again",
        )
    if isinstance(reason, ResponseError):
        return _no_answer("it answers with server errors", is_transient=True)
    what = "it doesn't answer in time" if isinstance(reason, ReadTimeoutError) else "no connection"
    return _no_answer(f"{what} ({type(reason).__name__})", is_transient=True)


def _no_answer(what: str, *, is_transient: bool) -> PipelineError:
    return source_error(
        f"MPI can't be asked: {what}", is_transient=is_transient, next_step=TRY_LATER
    )
