"""The same guarantees over S3's protocol, and what a network does to them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import boto3
import pytest

from vye_pipeline.bdn import object_store
from vye_pipeline.bdn.object_store import ObjectMissing, ObjectStore, PutOutcome, S3Store
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline_tests.bdn.test_object_store import (
    CONTENT,
    KEY,
    OTHER_CONTENT,
    ObjectStoreScenarios,
)

LOSE_REQUEST = "lose the request"
LOSE_ANSWER = "lose the answer"
PERMANENT_ANSWERS = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "RequestTimeTooSkewed": 403,
    "ExpiredToken": 400,
    "InvalidToken": 400,
    "NoSuchBucket": 404,
}
TRANSIENT_ANSWERS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "RequestTimeout": 400,
    "SlowDown": 503,
}


class FaultyNetwork(ThreadingHTTPServer):
    """Stands between client and S3, and does harm to the next PUTs, one fault each.

    A fault is LOSE_REQUEST, LOSE_ANSWER, or (HTTP status, S3's error code) as the answer.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), FaultyHandler)
        self.upstream = upstream
        self.faults: list[str | tuple[int, str]] = []
        self.puts: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"http://127.0.0.1:{self.server_port}"


class FaultyHandler(BaseHTTPRequestHandler):
    """One connection through the faulty network."""

    protocol_version = "HTTP/1.1"
    server: FaultyNetwork

    def do_GET(self) -> None:
        self.pass_on(b"")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.puts.append({name.lower(): value for name, value in self.headers.items()})
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, tuple):
            self.answer(fault[0], f"<Error><Code>{fault[1]}</Code></Error>".encode(), {})
        elif fault == LOSE_REQUEST:
            self.close_connection = True
        else:
            self.pass_on(content, is_answer_lost=fault == LOSE_ANSWER)

    def pass_on(self, content: bytes, *, is_answer_lost: bool = False) -> None:
        with closing(HTTPConnection(self.server.upstream)) as connection:
            headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
            connection.request(self.command, self.path, content, headers)
            answer = connection.getresponse()
            body = answer.read()
        if is_answer_lost:
            self.close_connection = True
        else:
            self.answer(answer.status, body, dict(answer.getheaders()))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def network(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNetwork]:
    """A faulty network, through which the stores made from now on reach S3."""
    endpoint = boto3.client("s3").meta.endpoint_url
    with FaultyNetwork(urlsplit(endpoint).netloc) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server
        server.shutdown()


class TestS3Store(ObjectStoreScenarios):
    """A bucket behind S3's protocol."""

    @pytest.fixture
    def store(self, s3_bucket: str) -> ObjectStore:
        """A fresh bucket, below a prefix."""
        return S3Store(s3_bucket, "exchange/bdn")


def test_objects_lie_below_the_prefix_and_see_nothing_beside_it(s3_bucket: str) -> None:
    whole, one, other = S3Store(s3_bucket), S3Store(s3_bucket, "a/b"), S3Store(s3_bucket, "a/bc")
    one.put_once("key", CONTENT)
    other.put_once("key", OTHER_CONTENT)
    assert [found.key for found in whole.list("")] == ["a/b/key", "a/bc/key"]
    assert [found.key for found in one.list("")] == ["key"]
    assert one.get("key") == CONTENT


def test_a_folder_made_in_the_console_is_no_object(s3_bucket: str) -> None:
    boto3.client("s3").put_object(Bucket=s3_bucket, Key="inbound/2025-04-07/")
    store = S3Store(s3_bucket)
    store.put("inbound/2025-04-07/vawave097.ack", CONTENT)
    assert [found.key for found in store.list("inbound/")] == ["inbound/2025-04-07/vawave097.ack"]


def test_a_listing_of_many_pages_is_complete(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    store = S3Store(s3_bucket)
    keys = [f"inbound/{number:02}" for number in range(10)]
    for key in keys:
        store.put(key, CONTENT)
    assert [found.key for found in store.list("inbound/")] == keys
    page = boto3.client("s3").list_objects_v2(Bucket=s3_bucket)
    assert page["IsTruncated"]


def test_a_put_is_conditional_checksummed_and_encrypted(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    S3Store(s3_bucket).put_once(KEY, CONTENT)
    (headers,) = network.puts
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-server-side-encryption"] == "AES256"
    digest = b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert headers["x-amz-checksum-sha256"] == digest


def test_a_put_survives_what_passes(network: FaultyNetwork, s3_bucket: str) -> None:
    store = S3Store(s3_bucket)
    faults: list[str | tuple[int, str]] = [LOSE_REQUEST]
    faults += [(status, code) for code, status in TRANSIENT_ANSWERS.items()]
    for number, fault in enumerate(faults):
        network.faults = [fault]
        assert store.put_once(f"outbound/{number}", CONTENT) is PutOutcome.STORED
        assert store.get(f"outbound/{number}") == CONTENT
    assert len(network.puts) == 2 * len(faults)


@pytest.mark.parametrize("lost_answers", [1, object_store.ATTEMPTS])
def test_a_put_whose_answers_were_lost_has_succeeded(
    network: FaultyNetwork, s3_bucket: str, lost_answers: int
) -> None:
    network.faults = [LOSE_ANSWER] * lost_answers
    store = S3Store(s3_bucket)
    assert store.put_once(KEY, CONTENT) is PutOutcome.ALREADY_THERE
    assert network.faults == []
    assert store.get(KEY) == CONTENT


def test_a_lost_answer_over_other_bytes_is_a_conflict(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    store = S3Store(s3_bucket)
    store.put(KEY, OTHER_CONTENT)
    network.faults = [LOSE_ANSWER]
    with pytest.raises(PipelineError, match="taken by other bytes"):
        store.put_once(KEY, CONTENT)
    assert store.get(KEY) == OTHER_CONTENT


def test_an_outage_ends_in_a_transient_failure_after_bounded_tries(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    network.faults = [(500, "InternalError")] * 100
    with pytest.raises(PipelineError, match="the upload to S3 failed: InternalError") as caught:
        S3Store(s3_bucket).put_once(KEY, CONTENT)
    assert KEY in str(caught.value)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, True)
    assert len(network.puts) == object_store.ATTEMPTS


def test_a_refusal_is_a_permanent_failure_with_a_next_step(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    store = S3Store(s3_bucket)
    for code, status in PERMANENT_ANSWERS.items():
        network.faults, network.puts = [(status, code)], []
        with pytest.raises(PipelineError, match=f"the upload to S3 failed: {code}") as caught:
            store.put_once(KEY, CONTENT)
        assert KEY in str(caught.value)
        assert "009001234" not in str(caught.value)
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)
        assert caught.value.next_step != object_store.FIX_THE_CAUSE
        assert len(network.puts) == 1
    with pytest.raises(ObjectMissing):
        store.get(KEY)


def test_a_bucket_that_is_not_there_fails_every_verb(s3_bucket: str) -> None:
    store = S3Store(f"{s3_bucket}-gone")
    for verb in (
        lambda: store.put_once(KEY, CONTENT),
        lambda: store.put(KEY, CONTENT),
        lambda: store.get(KEY),
        lambda: store.digest(KEY),
        lambda: store.delete(KEY),
        lambda: store.list("inbound/"),
    ):
        with pytest.raises(PipelineError, match=r"NoSuchBucket.*check the bucket's name") as caught:
            verb()
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)


def test_a_store_that_can_not_be_reached_is_a_transient_failure(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    network.shutdown()
    network.server_close()
    with pytest.raises(PipelineError, match="EndpointConnectionError") as caught:
        S3Store(s3_bucket).put_once(KEY, CONTENT)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, True)


def test_missing_credentials_are_a_permanent_failure(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(PipelineError, match=r"NoCredentialsError.*check the AWS cred") as caught:
        S3Store(s3_bucket).put_once(KEY, CONTENT)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)


def test_an_endpoint_that_is_none_is_bad_usage(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "no endpoint")
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL_S3"):
        S3Store(s3_bucket).put_once(KEY, CONTENT)


def test_the_region_is_aws_region_or_the_default_one(
    s3_bucket: str, network: FaultyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    S3Store(s3_bucket).put("a", CONTENT)
    monkeypatch.delenv("AWS_REGION")
    S3Store(s3_bucket).put("b", CONTENT)
    regions = [headers["authorization"].split("/")[2] for headers in network.puts]
    assert regions == ["us-gov-west-1", "us-west-2"]
