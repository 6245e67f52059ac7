"""Whatever comes out of S3's client, proxies and credentials is one classified line."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Formatter
from threading import Thread
from types import ModuleType
from xml.etree.ElementTree import ParseError

import boto3
import botocore
import pytest
import urllib3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from vye_pipeline import retries
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.settings import load_settings
from vye_pipeline.storage import s3_store
from vye_pipeline.storage.object_store import ObjectStore, PutOutcome
from vye_pipeline.storage.s3_store import S3Store
from vye_pipeline_tests.integration.faulty_network import (
    FaultyHandler,
    FaultyNetwork,
    Plan,
    error,
)
from vye_pipeline_tests.integration.test_object_store_s3 import tried
from vye_pipeline_tests.storage.test_object_store import CONTENT, KEY, OTHER_CONTENT

GET, PUT = frozenset({"GET"}), frozenset({"PUT"})
FROM_PYTHON = (
    OSError,
    FileNotFoundError,
    PermissionError,
    ConnectionResetError,
    TimeoutError,
    ssl.SSLError,
    ssl.SSLCertVerificationError,
    RecursionError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    UnicodeError,
    ParseError,
    MemoryError,
)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        with suppress(ImportError):  # of what is optional and not installed
            yield importlib.import_module(found.name)


def classes(package: ModuleType) -> set[type[Exception]]:
    """Returns every class of exception that a library defines."""
    found = {
        one
        for module in modules(package)
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Exception)
    }
    return {one for one in found if one.__module__.startswith(package.__name__)}


EVERY_CLASS = sorted(
    classes(botocore) | classes(boto3) | classes(urllib3) | set(FROM_PYTHON),
    key=lambda one: (one.__module__, one.__name__),
)


def made(kind: type[Exception]) -> Exception:
    """Makes an exception, with whatever its class asks for."""
    if issubclass(kind, ClientError):
        return kind({"Error": {"Code": "Odd", "Message": "it is odd"}}, "PutObject")
    if issubclass(kind, BotoCoreError):
        names = [name for _, name, _, _ in Formatter().parse(kind.fmt) if name]
        with suppress(TypeError, AttributeError):
            return kind(**dict.fromkeys(names, "odd"))
    return bare(kind)


def bare(kind: type[Exception]) -> Exception:
    one = kind.__new__(kind)
    one.args = ("odd",)
    one.__dict__.update(partial=0, expected=1, length=1)  # what some of them put into words
    return one


@cache
def _exceptions() -> object:
    return boto3.client("s3", region_name="us-east-1").exceptions


class Failing:
    """A client of S3 of which every call fails."""

    def __init__(self, failure: Exception) -> None:
        self.exceptions = _exceptions()
        self._failure = failure

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Returns a call that fails."""

        def fail(*_: object, **__: object) -> None:
            raise self._failure

        if name == "meta":
            raise AttributeError(name)
        return fail


@pytest.mark.parametrize("kind", EVERY_CLASS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_class_of_exception_is_a_classified_line(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(S3Store, "_client", Failing(made(kind)))
    store = S3Store("bucket")
    for verb in (
        lambda: store.create(KEY, CONTENT),
        lambda: store.put(KEY, CONTENT),
        lambda: store.get(KEY),
        lambda: store.delete(KEY),
        lambda: store.list("inbound/"),
    ):
        with pytest.raises(PipelineError) as caught:
            verb()
        assert caught.value.cause is Cause.UPLOAD
        assert "\n" not in str(caught.value)
        assert caught.value.next_step
        assert "s3://bucket/" in caught.value.what


@pytest.mark.parametrize(
    "kind",
    [
        ConnectTimeoutError,
        ReadTimeoutError,
        ConnectionClosedError,
        EndpointConnectionError,
        ProxyConnectionError,
        ConnectionResetError,
        TimeoutError,
    ],
)
def test_what_the_network_does_passes_and_is_tried_again(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(S3Store, "_client", Failing(made(kind)))
    with pytest.raises(PipelineError) as caught:
        S3Store("bucket").put_once(KEY, CONTENT)
    assert caught.value.is_transient
    assert waits


def test_the_classes_are_many() -> None:
    assert len(EVERY_CLASS) > 150


def says(content: bytes, status: int = 200, **headers: str) -> Callable[[FaultyHandler], None]:
    """Returns the fault of an answer that S3 never gave."""

    def fault(handler: FaultyHandler) -> None:
        handler.body()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        page = b"" if handler.command == "HEAD" else content
        handler.answer(status, page, {"Content-Type": "text/html", **named})

    return fault


NO_LISTINGS = {
    "a sign-in page": b"<html><head><title>Sign in</title></head><body><p>Over</p></body></html>",
    "a page that is no XML": b"<html><body><br>Blocked<p></body></html>",
    "nothing": b"",
    "JSON": b'{"message": "ok"}',
    "a page cut without a token": b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents>"
    b"<Key>inbound/a.ack</Key><ETag>abc</ETag><Size>1</Size></Contents></ListBucketResult>",
    "no ETag": b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
    b"<Key>inbound/a.ack</Key><Size>3</Size></Contents></ListBucketResult>",
    "no size": b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
    b"<Key>inbound/a.ack</Key><ETag>abc</ETag></Contents></ListBucketResult>",
    "not what was asked for": b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
    b"<Key>a.ack</Key><ETag>abc</ETag><Size>3</Size></Contents></ListBucketResult>",
    "a listing of buckets": b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>",
}


@pytest.mark.parametrize("content", NO_LISTINGS.values(), ids=NO_LISTINGS.keys())
def test_what_is_no_listing_is_transient_and_never_an_empty_one(
    content: bytes, network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    store = S3Store(s3_bucket)
    store.put("inbound/b.ack", CONTENT)
    network.plan = Plan(says(content), GET, count=100)
    with pytest.raises(PipelineError, match="the listing of S3 failed") as caught:
        store.list("inbound/")
    assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, True)
    network.plan = Plan(says(content), GET)
    assert [one.key for one in store.list("inbound/")] == ["inbound/b.ack"], "it passes"


def test_two_writers_at_once_are_no_taken_key(
    network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    store = tried(S3Store(s3_bucket), network)
    network.plan = Plan(error("ConditionalRequestConflict", 409), PUT)
    assert store.put_once(KEY, CONTENT) is PutOutcome.STORED
    assert len(waits) == 1
    assert store.get(KEY) == CONTENT


MESSAGES = {
    "NotImplemented": (501, "Server-side encryption is not supported", "VYE_S3_ENCRYPTION"),
    "Unsupported": (501, "Conditional object PUTs are not supported.", "honours If-None-Match"),
    "InsufficientStorage": (507, "The cluster is full", "more room"),
    "InvalidObjectState": (403, "The object is in Glacier", "archive"),
    "AccessDenied": (403, "not authorized to perform kms:GenerateDataKey", "VYE_KMS_KEY_ID"),
}


@pytest.mark.parametrize("code", MESSAGES)
def test_what_the_server_says_is_kept_and_not_tried_again(
    code: str, network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    status, message, remedy = MESSAGES[code]
    answer = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    network.plan = Plan(says(answer, status), PUT)
    with pytest.raises(PipelineError, match=f"{code} .{message}") as caught:
        S3Store(s3_bucket).put(KEY, CONTENT)
    assert remedy in caught.value.next_step
    assert not caught.value.is_transient
    assert waits == []


def test_a_hostile_message_is_made_harmless(network: FaultyNetwork, s3_bucket: str) -> None:
    hostile = "\u202e&lt;!channel&gt; `rm` 900123456 &#10;second line " + "x" * 5_000
    answer = f"<Error><Code>Odd&lt;b&gt;</Code><Message>{hostile}</Message></Error>".encode()
    network.plan = Plan(says(answer, 400), PUT)
    with pytest.raises(PipelineError) as caught:
        S3Store(s3_bucket).put(KEY, CONTENT)
    assert caught.value.what.isascii() or "…" in caught.value.what
    assert not any(one in str(caught.value) for one in ("<", "`", "900123456", "\n", "\u202e"))
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_to_a_sign_in_page_is_one_permanent_line(
    status: int, network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    page = says(b"<html>Sign in</html>", status, Location="https://login.example.invalid/")
    network.plan = Plan(page, frozenset({"PUT", "GET", "HEAD"}), count=10_000)
    store = S3Store(s3_bucket)
    for verb in (lambda: store.put(KEY, CONTENT), lambda: store.list("inbound/")):
        with pytest.raises(PipelineError) as caught:
            verb()
        assert not caught.value.is_transient
        assert "AWS_ENDPOINT_URL_S3" in caught.value.next_step or "region" in str(caught.value)
        assert "\n" not in str(caught.value)


class _Proxy(BaseHTTPRequestHandler):
    """A proxy that asks for a sign-in."""

    def do_CONNECT(self) -> None:
        self.send_error(407)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def unset_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def refused(store: ObjectStore) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        store.put(KEY, CONTENT)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_token_file_is_named_with_its_variable(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unset_credentials(monkeypatch)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/vye-pipeline")
    failure = refused(S3Store(s3_bucket))
    assert f"AWS_WEB_IDENTITY_TOKEN_FILE names {tmp_path / 'token'}" in failure.what
    assert not failure.is_transient


@pytest.mark.parametrize("program", ["/nonexistent/program", "/bin/false", "/bin/echo no JSON"])
def test_a_broken_credential_process_is_named(
    program: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unset_credentials(monkeypatch)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    failure = refused(S3Store(s3_bucket))
    assert "credential_process" in failure.next_step
    assert not failure.is_transient


def test_a_configuration_that_can_not_be_read_is_named(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default\nregion")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    failure = refused(S3Store(s3_bucket))
    assert "ConfigParseError" in failure.what
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "other"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE" in refused(S3Store(s3_bucket)).next_step


def test_a_ca_bundle_that_can_not_be_read_is_named(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle"))
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"https://127.0.0.1:{server.server_port}")
        failure = refused(S3Store(s3_bucket))
        server.shutdown()
    assert f"AWS_CA_BUNDLE names {tmp_path / 'bundle'}" in failure.what
    assert not failure.is_transient


def test_a_proxy_that_asks_for_a_sign_in_is_named_without_its_password(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        proxy = f"http://user:s3cr3t@127.0.0.1:{server.server_port}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.invalid")
        failure = refused(S3Store(s3_bucket))
        server.shutdown()
    assert f"HTTPS_PROXY is 127.0.0.1:{server.server_port}" in failure.what
    assert "407" in failure.next_step
    assert "s3cr3t" not in str(failure)


def test_credentials_that_were_renewed_on_disk_are_read_again(
    network: FaultyNetwork, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unset_credentials(monkeypatch)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = x\n")
    store = S3Store(s3_bucket)
    store.put(KEY, CONTENT)
    file.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = x\n")
    network.plan = Plan(error("ExpiredToken", 400), PUT)
    store.put(KEY, OTHER_CONTENT)
    assert "Credential=NEW/" in network.puts[-1]["authorization"]
    assert store.get(KEY) == OTHER_CONTENT


def test_a_server_that_never_answers_holds_a_put_for_a_minute_at_most(
    network: FaultyNetwork, s3_bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    store = tried(S3Store(s3_bucket), network)
    spent: list[float] = []

    def silence(*_: object, **__: object) -> None:
        spent.append(s3_store.CONNECT_TIMEOUT_SECONDS + s3_store.READ_TIMEOUT_SECONDS)
        raise ReadTimeoutError(endpoint_url="https://s3.example.invalid")

    begun = time.monotonic()
    monkeypatch.setattr(retries, "monotonic", lambda: begun + sum(spent) + sum(waits))
    monkeypatch.setattr(S3Store, "_put", silence)
    monkeypatch.setattr(S3Store, "_got", silence)
    with pytest.raises(PipelineError) as caught:
        store.put_once(KEY, CONTENT)
    assert caught.value.is_transient
    assert len(spent) > 1
    assert sum(spent) + sum(waits) <= retries.SECONDS_IN_ALL
    assert spent[0] <= retries.LONGEST_TRY_SECONDS


def test_what_is_too_large_for_one_request_goes_in_parts_once(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "SINGLE_PUT_BYTES", 1_000)
    monkeypatch.setattr(s3_store, "PART_BYTES", 5 * 1024**2)
    content = bytes(range(256)) * 50_000
    store = S3Store(s3_bucket)
    assert store.put_once(KEY, content) is PutOutcome.STORED
    assert store.get(KEY) == content
    assert store.put_once(KEY, content) is PutOutcome.ALREADY_THERE
    with pytest.raises(PipelineError, match="taken by other bytes"):
        store.put_once(KEY, content[::-1])
    assert store.get(KEY) == content
    assert boto3.client("s3").list_multipart_uploads(Bucket=s3_bucket).get("Uploads", []) == []


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {"x-amz-server-side-encryption": "AES256"}),
        ({"s3_encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        ({"s3_encryption": "aws:kms"}, {"x-amz-server-side-encryption": "aws:kms"}),
        (
            {"kms_key_id": "alias/vye"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/vye",
            },
        ),
        ({"s3_encryption": "none"}, {}),
    ],
)
def test_s3_is_asked_for_the_encryption_of_the_settings(
    settings: dict[str, str], headers: dict[str, str], network: FaultyNetwork, s3_bucket: str
) -> None:
    S3Store(s3_bucket, "", load_settings(**settings).server_side_encryption).put(KEY, CONTENT)
    (sent,) = network.puts
    assert {k: v for k, v in sent.items() if k.startswith("x-amz-server-side")} == headers


def test_a_key_without_kms_and_an_unknown_encryption_are_refused() -> None:
    with pytest.raises(UsageError, match="VYE_S3_ENCRYPTION"):
        load_settings(s3_encryption="rot13")
    settings = load_settings(s3_encryption="none", kms_key_id="alias/vye")
    with pytest.raises(UsageError, match="VYE_KMS_KEY_ID needs VYE_S3_ENCRYPTION"):
        _ = settings.server_side_encryption
