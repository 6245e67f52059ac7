"""The same guarantees over S3's protocol, and what a network does to them."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import boto3
import pytest
from cryptography.fernet import Fernet

from vye_pipeline import retries
from vye_pipeline.context import Context
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.settings import load_settings
from vye_pipeline.storage import object_store
from vye_pipeline.storage.object_store import (
    ObjectMissing,
    ObjectStore,
    PutOutcome,
    require_promise,
)
from vye_pipeline.storage.s3_errors import STALE_CREDENTIALS
from vye_pipeline.storage.s3_store import S3Store
from vye_pipeline_tests.integration.faulty_network import (
    FaultyNetwork,
    Plan,
    error,
    lose_answer,
    lose_request,
)
from vye_pipeline_tests.storage.test_object_store import (
    CONTENT,
    KEY,
    OTHER_CONTENT,
    ObjectStoreScenarios,
)

PERMANENT_ANSWERS = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "RequestTimeTooSkewed": 403,
    "ExpiredToken": 400,
    "InvalidToken": 400,
    "NoSuchBucket": 404,
}
PUT = frozenset({"PUT"})

TRANSIENT_ANSWERS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "RequestTimeout": 400,
    "SlowDown": 503,
}


def tried(store: ObjectStore, network: FaultyNetwork) -> ObjectStore:
    """Returns a store that has been found to keep its promise; the network forgets that."""
    require_promise(store)
    network.requests.clear()
    return store


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
    tried(S3Store(s3_bucket), network).put_once(KEY, CONTENT)
    (headers,) = network.puts
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-server-side-encryption"] == "AES256"
    assert "x-amz-server-side-encryption-aws-kms-key-id" not in headers
    digest = b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert headers["x-amz-checksum-sha256"] == digest


def test_everything_that_is_put_is_encrypted_with_the_key_of_the_settings(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    pipeline = Context(
        load_settings(
            object_store_url=f"s3://{s3_bucket}/exchange",
            snapshot_url=f"s3://{s3_bucket}/snapshots",
            snapshot_key=Fernet.generate_key().decode(),
            kms_key_id="alias/vye",
        )
    )
    tried(pipeline.objects, network).put_once(KEY, CONTENT)
    pipeline.objects.put("other", CONTENT)
    pipeline.snapshots.put("snapshot", CONTENT)
    assert len(network.puts) == 3
    for headers in network.puts:
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/vye"


def test_a_put_survives_what_passes(
    network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    store = tried(S3Store(s3_bucket), network)
    faults = [lose_request, *(error(code, status) for code, status in TRANSIENT_ANSWERS.items())]
    for number, fault in enumerate(faults):
        network.plan = Plan(fault, PUT)
        assert store.put_once(f"outbound/{number}", CONTENT) is PutOutcome.STORED
        assert store.get(f"outbound/{number}") == CONTENT
    assert len(network.puts) == 2 * len(faults)
    assert len(waits) == len(faults)


@pytest.mark.parametrize("lost_answers", [1, retries.ATTEMPTS])
def test_a_put_whose_answers_were_lost_has_succeeded(
    network: FaultyNetwork, s3_bucket: str, lost_answers: int, waits: list[float]
) -> None:
    store = tried(S3Store(s3_bucket), network)
    network.plan = Plan(lose_answer, PUT, count=lost_answers)
    assert store.put_once(KEY, CONTENT) is PutOutcome.ALREADY_THERE
    assert network.plan.hits == lost_answers
    assert store.get(KEY) == CONTENT


def test_a_lost_answer_over_other_bytes_is_a_conflict(
    network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    store = S3Store(s3_bucket)
    store.put(KEY, OTHER_CONTENT)
    network.plan = Plan(lose_answer, PUT)
    with pytest.raises(PipelineError, match="taken by other bytes"):
        store.put_once(KEY, CONTENT)
    assert store.get(KEY) == OTHER_CONTENT


def test_an_outage_ends_in_a_transient_failure_after_bounded_tries(
    network: FaultyNetwork, s3_bucket: str, waits: list[float]
) -> None:
    store = tried(S3Store(s3_bucket), network)
    network.plan = Plan(error("InternalError", 500), PUT, count=100)
    with pytest.raises(PipelineError, match="the upload to S3 failed: InternalError") as caught:
        store.put_once(KEY, CONTENT)
    assert KEY in str(caught.value)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, True)
    assert len(network.puts) == retries.ATTEMPTS


def test_a_refusal_is_a_permanent_failure_with_a_next_step(
    network: FaultyNetwork, s3_bucket: str
) -> None:
    store = tried(S3Store(s3_bucket), network)
    for code, status in PERMANENT_ANSWERS.items():
        network.plan = Plan(error(code, status), PUT, count=10)
        network.requests.clear()
        with pytest.raises(PipelineError, match=f"the upload to S3 failed: {code}") as caught:
            store.put_once(KEY, CONTENT)
        assert KEY in str(caught.value)
        assert "009001234" not in str(caught.value)
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)
        assert caught.value.next_step != object_store.FIX_THE_CAUSE
        assert len(network.puts) == 1 + (code in STALE_CREDENTIALS)
    with pytest.raises(ObjectMissing):
        store.get(KEY)


def test_a_bucket_that_is_not_there_fails_every_verb(s3_bucket: str) -> None:
    store = S3Store(f"{s3_bucket}-gone")
    for verb in (
        lambda: store.put_once(KEY, CONTENT),
        lambda: store.put(KEY, CONTENT),
        lambda: store.get(KEY),
        lambda: store.find(KEY),
        lambda: store.delete(KEY),
        lambda: store.list("inbound/"),
    ):
        with pytest.raises(PipelineError, match=r"NoSuchBucket.*check the bucket's name") as caught:
            verb()
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)


def test_a_store_that_can_not_be_reached_is_a_transient_failure(
    network: FaultyNetwork, s3_bucket: str, waits: list[float]
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
