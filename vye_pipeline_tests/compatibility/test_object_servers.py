"""A whole day on real S3 servers; one that overwrites what was put once is never written to."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from cryptography.fernet import Fernet

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.storage.object_store import BROKEN_PROMISE
from vye_pipeline_tests.compatibility.conftest import installed
from vye_pipeline_tests.compatibility.object_servers import (
    ACCESS_KEY,
    LOCALBUCKET,
    NANIO,
    SECRET_KEY,
    ObjectServer,
)
from vye_pipeline_tests.compatibility.page import REFUSED, Row
from vye_pipeline_tests.compatibility.swift import SWIFT
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import free_port

pytestmark = pytest.mark.long

BUCKET = "vye-bdn"


@pytest.fixture(params=[LOCALBUCKET, SWIFT, NANIO], ids=lambda one: one.name)
def server(
    request: pytest.FixtureRequest,
    rows: list[Row],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ObjectServer]:
    """A server that runs, and to which the usual AWS variables lead."""
    chosen: ObjectServer = request.param
    installed(chosen.program, chosen.name, rows)
    folder = tmp_path_factory.mktemp("objects")
    with chosen.running(folder, free_port()) as address:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield chosen


def test_a_day_is_delivered_whole_or_refused_before_anything_is_sent(
    server: ObjectServer, embedded: Settings, rows: list[Row]
) -> None:
    settings = load_settings(
        local_dir=embedded.local_dir,
        start_date=embedded.start_date,
        object_store_url=f"s3://{BUCKET}/exchange",
        snapshot_url=f"s3://{BUCKET}/snapshots",
        snapshot_key=Fernet.generate_key().decode(),
        **server.settings,
    )
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    failures = rehearsal.egress(DAYS[0])
    if server is NANIO:
        assert {failure.what for failure in failures} == {BROKEN_PROMISE}
        assert rehearsal.sent() == {}
        rows.append(Row(server.version, "a conditional put", REFUSED, str(failures[0])))
        return
    assert failures == []
    assert set(rehearsal.sent()) == {outbound_key(kind, DAYS[0]) for kind in KINDS}
    for kind in KINDS:
        counts = rehearsal.reconcile(DAYS[0], kind, at(DAYS[0], hours=3))["status"].value_counts()
        assert set(counts.index) <= {"pending", "quarantined"}
    rows.append(Row(server.version, "a whole day"))
