"""Real servers: PostgreSQL from a wheel, S3's protocol by moto, both on this machine only."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import boto3
import dagster as dg
import pytest
from cryptography.fernet import Fernet
from moto.server import ThreadedMotoServer

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline_tests.integration.faulty_network import FaultyNetwork
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.stand_in_kms import StandInKms


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server; its folder has a short name, for a socket's path may not be long."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket; the usual AWS variables lead to it."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInKms]:
    """A KMS with the keys of the golden data; the usual AWS variables lead to it."""
    with StandInKms().serving() as server:
        for name, value in {
            "AWS_ENDPOINT_URL_KMS": server.url,
            "AWS_REGION": "us-gov-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        yield server


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


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's history of one test."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves servers and encrypted columns to `make trials`, but for tests that are central."""
    items[:] = [item for item in items if "[encrypted" not in item.name or _is_encrypted(item)]
    for item in items:
        is_elsewhere = "[encrypted" in item.name or "[production" in item.name
        if is_elsewhere and not item.get_closest_marker("central"):
            item.add_marker("long")


def _is_encrypted(item: pytest.Item) -> bool:
    module = getattr(item, "module", None)
    is_ours = "settings" in getattr(item, "fixturenames", ())
    return not is_ours or bool(getattr(module, "IN_PRODUCTIONS_SHAPE", False))


@pytest.fixture(params=["embedded", "encrypted", "production"])
def settings(request: pytest.FixtureRequest, embedded: Settings, tmp_path: Path) -> Settings:
    """The same scenarios run on SQLite and folders, and on PostgreSQL and S3.

    Those of a module that says so (IN_PRODUCTIONS_SHAPE) run with encrypted columns too.
    """
    if request.param == "embedded":
        return embedded
    if request.param == "encrypted":
        identities = f"sqlite:///{tmp_path / 'identities.db'}"
        return embedded.model_copy(
            update={"column_kms_key_id": INSECURE_KEY_ID, "identity_url": identities}
        )
    server: PostgreSQL = request.getfixturevalue("postgresql")
    bucket = request.getfixturevalue("s3_bucket")
    source = server.database()
    return load_settings(
        local_dir=tmp_path / "local",
        start_date=date(2024, 1, 2),
        database_url=source,
        database_write_url=source,
        ledger_url=server.database(),
        object_store_url=f"s3://{bucket}/exchange",
        snapshot_url=f"s3://{bucket}/snapshots",
        snapshot_key=Fernet.generate_key().decode(),
    )
