"""Production's columns: what the gems of VYE's application read of them is what we read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from moto import mock_aws
from moto.kms.models import kms_backends

from vye_pipeline.kms import AT_ONCE
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.column_cipher import Fault, UnreadableError, open_value
from vye_pipeline.vye_database.data_keys import DataKeys, WrappedKey
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline.vye_database.personal import PERSONAL
from vye_pipeline_tests.integration.production_shape import (
    GOLDEN,
    GOLDEN_DAY,
    SENT_AT,
    assert_golden,
    prepare_golden,
)
from vye_pipeline_tests.integration.rehearsal import Rehearsal, load
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.stand_in_kms import KEY_ID, StandInKms, known_keys

SENT_ROWS = 625  # 294 user_infos, 166 deposit and 165 address changes go out
WITHOUT_NEED = 3  # user_infos of changes only, without a file number: nothing to open
MASTER_KEY_ONLY = {"master key format", "master key, padded"}

Case = dict[str, Any]


def cases(name: str) -> list[Case]:
    found: list[Case] = json.loads((GOLDEN / "encrypted" / name).read_text())
    return found


def wrapped(case: Case) -> WrappedKey:
    return WrappedKey(PERSONAL[case["table"]].model, case["id"], case["encrypted_kms_key"] or "")


def read(case: Case, key: bytes | None, column: str) -> str | Fault:
    """Reads one column of a case as the pipeline does: text, empty for null, or why not."""
    stored = case["ciphertext"][column]
    if not stored:
        return ""
    if key is None:
        return Fault.KEY
    try:
        return open_value(AESGCM(key), stored)
    except UnreadableError as error:
        return error.fault


def expected(case: Case, column: str) -> Callable[[str | Fault], bool]:
    """Says what the gems' result means for us. They read a dob as a date, we as the text it is."""
    value = case["expected"][column]
    is_master = case["case"] in MASTER_KEY_ONLY and case["ciphertext"][column]
    if is_master and (column != "dob" or value is None):
        return lambda read: read in (Fault.TEXT, value)
    if isinstance(value, dict) and "error" in value:
        names = {"KmsEncrypted::DecryptionError": {Fault.KEY}}
        no_key = not case["encrypted_kms_key"]
        wanted = {Fault.KEY} if no_key else names.get(value["error"], {Fault.TEXT})
        return lambda read: read in wanted
    if isinstance(value, dict) and "bytes_hex" in value:
        return lambda read: read == Fault.ENCODING
    if column == "dob":
        return lambda read: isinstance(read, str) or bool(is_master)
    return lambda read: read == (value or "")


def assert_as_the_gems(found: list[Case], keys: dict[WrappedKey, bytes | None]) -> int:
    count = 0
    for case in found:
        for column in case["ciphertext"]:
            got = read(case, keys[wrapped(case)], column)
            assert expected(case, column)(got), (case["table"], case["id"], case["case"], column)
            count += 1
    return count


def test_every_case_is_read_as_the_gems_read_it(kms: StandInKms) -> None:
    found = cases("cases.json")
    keys = DataKeys(None).open([wrapped(case) for case in found])
    assert assert_as_the_gems(found, keys) > 1000
    for case in found:
        if case["data_key_hex"]:
            key = keys[wrapped(case)]
            assert key is None or key.hex() == case["data_key_hex"]
    assert len(kms.calls) <= len({wrapped(case) for case in found})


def test_the_insecure_key_is_opened_only_where_it_is_named(kms: StandInKms) -> None:
    found = cases("cases-insecure-test-key.json")
    keys = DataKeys(INSECURE_KEY_ID).open([wrapped(case) for case in found])
    assert assert_as_the_gems(found, keys) > 100
    refused = DataKeys(KEY_ID).open([wrapped(case) for case in found])
    assert set(refused.values()) == {None}
    assert len(kms.calls) <= 1, "all but the one of another prefix are refused without a call"


@pytest.fixture
def moto_kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A KMS of moto's with the keys of the golden data."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    with mock_aws():
        client = boto3.client("kms", region_name="us-gov-west-1")
        for key_id, material in known_keys().items():
            made = client.create_key()["KeyMetadata"]["KeyId"]
            held = kms_backends["123456789012"]["us-gov-west-1"].keys
            key = held.pop(made)
            key.id, key.key_material = key_id, material
            held[key_id] = key
        yield


def test_moto_opens_the_same_keys_as_the_stand_in(moto_kms: None, kms: StandInKms) -> None:
    ordinary = [case for case in cases("cases.json") if case["data_key_hex"]][:20]
    asked = [wrapped(case) for case in ordinary]
    stand_in = DataKeys(None).open(asked)
    assert None not in stand_in.values()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL_KMS")
        assert DataKeys(None).open(asked) == stand_in


@pytest.fixture(params=["sqlite", "postgresql"])
def production(request: pytest.FixtureRequest, kms: StandInKms, tmp_path: Path) -> Settings:
    """The golden day in production's shape."""
    url = None
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.database()
    return prepare_golden(tmp_path, url)


def test_the_golden_day_in_productions_shape_makes_the_golden_files(
    production: Settings, kms: StandInKms
) -> None:
    rehearsal = Rehearsal.open(production)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    assert_golden(rehearsal)
    distinct = {tuple(sorted(call.items())) for call in kms.calls}
    assert len(kms.calls) == len(distinct) == SENT_ROWS - WITHOUT_NEED
    assert kms.most_at_once <= AT_ONCE


def test_a_copy_encrypted_here_reads_as_the_plain_one(
    embedded: Settings, kms: StandInKms, tmp_path: Path
) -> None:
    settings = embedded.model_copy(
        update={
            "column_kms_key_id": KEY_ID,
            "identity_url": f"sqlite:///{tmp_path / 'identities.db'}",
        }
    )
    load(settings, GOLDEN / "input")
    rehearsal = Rehearsal.open(settings)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    assert_golden(rehearsal)
