"""Snapshots under a key of KMS: as safe as under a key of the settings, and moved either way."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from vye_pipeline.cli.commands import FAILED, SUCCESS, run
from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Health
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.records import KINDS
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.snapshots import FINGERPRINT_KEY, SnapshotStore, open_snapshots
from vye_pipeline_tests.hostile import PRINTABLE
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.stand_in_kms import (
    ARN,
    KEY_ID,
    OTHER_KEY_ID,
    SNAPSHOTS,
    Refused,
    StandInKms,
    arn_of,
)

NAME = "2025-04-07/verifications/export_ready"
CONTENT = b"900123456,DOE"
FERNET = Fernet.generate_key()
KMS, OTHER_KMS = arn_of(KEY_ID).encode(), arn_of(OTHER_KEY_ID).encode()
MODES = ([KMS, FERNET], [FERNET, KMS], [OTHER_KMS, KMS, FERNET])
POLICY = CHECKOUT / "docs" / "deployment" / "kms-policy.json"
NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("kms")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the snapshots of a test lie."""
    return tmp_path / "snapshots"


def process(folder: Path, *keys: bytes) -> SnapshotStore:
    """The snapshots as a process of its own opens them: it knows no data key yet."""
    return SnapshotStore(FolderStore(folder), keys)


def refused(snapshots: SnapshotStore, name: str = NAME) -> PipelineError:
    """Returns why a snapshot can't be read."""
    with pytest.raises(PipelineError) as caught:
        snapshots.get(name)
    assert caught.value.cause is Cause.STORAGE
    assert name in str(caught.value)
    assert "DOE" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("writing", MODES)
@pytest.mark.parametrize("reading", MODES)
def test_what_is_written_with_either_is_read_with_either(
    folder: Path, writing: list[bytes], reading: list[bytes]
) -> None:
    everything = [*reading, *(key for key in writing if key not in reading)]
    writer, reader = process(folder, *writing), process(folder, *everything)

    @settings(max_examples=15)
    @given(content=st.binary(max_size=200))
    def comes_back(content: bytes) -> None:
        writer.put(NAME, content)
        assert reader.get(NAME) == content

    comes_back()


def test_neither_content_nor_data_key_lies_in_a_snapshot(folder: Path) -> None:
    process(folder, KMS).put(NAME, CONTENT)
    sealed = (folder / NAME).read_bytes()
    assert sealed.startswith(b"kms1:")
    assert b"900123456" not in sealed
    assert refused(process(folder, FERNET)).is_transient is False


def test_kms_makes_one_data_key_a_process_and_opens_each_once(
    folder: Path, kms: StandInKms
) -> None:
    names = [f"2025-04-07/{number}" for number in range(6)]
    for written in (names[:3], names[3:]):
        writer = process(folder, KMS)
        for name in written:
            writer.put(name, CONTENT)
    assert (kms.generated, kms.calls) == ([SNAPSHOTS] * 2, [])
    reader = process(folder, KMS)
    for name in names * 2:
        assert reader.get(name) == CONTENT
    assert not any(reader.renew(name) for name in names)
    assert (len(kms.generated), kms.calls) == (2, [SNAPSHOTS] * 2)


def test_threads_of_one_process_share_its_data_key(folder: Path, kms: StandInKms) -> None:
    kms.latency = 0.05
    snapshots = process(folder, KMS)
    names = [f"2025-04-07/{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(lambda name: snapshots.put(name, CONTENT), names))
        assert list(threads.map(snapshots.get, names)) == [CONTENT] * len(names)
    assert (len(kms.generated), len(kms.calls)) == (1, 1)


def test_a_data_key_of_another_kms_key_is_asked_for_once(folder: Path, kms: StandInKms) -> None:
    process(folder, OTHER_KMS).put(NAME, CONTENT)
    reader = process(folder, KMS, OTHER_KMS)
    assert [reader.get(NAME) for _ in range(3)] == [CONTENT] * 3
    assert len(kms.calls) == 2, "the first key refuses it, the second opens it"


def test_a_snapshot_with_any_character_changed_is_refused(folder: Path) -> None:
    snapshots = process(folder, KMS)
    snapshots.put(NAME, CONTENT)
    whole = (folder / NAME).read_bytes()

    @given(place=st.integers(0, len(whole) - 5), character=st.sampled_from(b"!~*:"))
    def is_refused(place: int, character: int) -> None:
        damaged = bytearray(whole)
        damaged[place] = character
        if damaged != whole:
            (folder / NAME).write_bytes(damaged)
            assert refused(snapshots).what == f"the snapshot {NAME} is damaged or was written " + (
                "with another key"
            )

    is_refused()


def test_a_snapshot_that_was_cut_short_is_refused(folder: Path) -> None:
    snapshots = process(folder, KMS)
    snapshots.put(NAME, CONTENT)
    whole = (folder / NAME).read_bytes()

    @given(length=st.integers(0, len(whole) - 5))
    def is_refused(length: int) -> None:
        (folder / NAME).write_bytes(whole[:length])
        assert not refused(snapshots).is_transient

    is_refused()


def test_snapshots_and_heads_that_were_swapped_are_refused(folder: Path) -> None:
    for name in ("a", "ab"):
        process(folder, KMS).put(name, CONTENT)
    a, ab = (folder / "a").read_bytes(), (folder / "ab").read_bytes()
    (folder / "a").write_bytes(ab)
    assert "under another name" in refused(process(folder, KMS), "a").what
    head, other_head = a.rpartition(b":")[0], ab.rpartition(b":")[0]
    (folder / "a").write_bytes(a.replace(head, other_head))
    assert "damaged" in refused(process(folder, KMS), "a").what


@pytest.mark.parametrize(
    ("context", "key_id", "length"),
    [
        ({"model_name": "Vye::UserInfo", "model_id": "1"}, KEY_ID, 32),
        ({**SNAPSHOTS, "more": "of it"}, KEY_ID, 32),
        ({}, KEY_ID, 32),
        (SNAPSHOTS, OTHER_KEY_ID, 32),
        (SNAPSHOTS, KEY_ID, 16),
    ],
    ids=["a row's", "a larger context", "no context", "another KMS key", "a short key"],
)
def test_a_data_key_that_was_wrapped_for_something_else_opens_nothing(
    folder: Path, kms: StandInKms, context: dict[str, str], key_id: str, length: int
) -> None:
    wrapped = kms.wrap(bytes(length), context, key_id)
    token = Fernet(b64encode(bytes(32))).encrypt(NAME.encode() + b"\nforged")
    FolderStore(folder).put(NAME, b"kms1:" + b64encode(wrapped) + b":" + token)
    assert "damaged or was written with another key" in refused(process(folder, KMS)).what


def test_kms_is_not_asked_where_the_settings_name_none_of_its_keys(
    folder: Path, kms: StandInKms
) -> None:
    process(folder, KMS).put(NAME, CONTENT)
    assert "VYE_SNAPSHOT_KEY" in refused(process(folder, FERNET)).next_step
    assert kms.calls == []


@pytest.mark.parametrize(
    ("old", "new"), [(FERNET, KMS), (KMS, FERNET), (KMS, OTHER_KMS)], ids=["to", "back", "on"]
)
def test_renewed_snapshots_need_the_old_key_no_more(folder: Path, old: bytes, new: bytes) -> None:
    before = process(folder, old)
    before.put(NAME, CONTENT)
    fingerprint = before.fingerprint(CONTENT)
    both = process(folder, new, old)
    assert {name for name in both.names("") if both.renew(name)} == {NAME, FINGERPRINT_KEY}
    again = process(folder, new, old)
    assert not any(again.renew(name) for name in again.names(""))
    after = process(folder, new)
    assert (after.get(NAME), after.fingerprint(CONTENT)) == (CONTENT, fingerprint)
    refused(process(folder, old))


def test_the_fingerprints_key_moves_by_itself(folder: Path) -> None:
    fingerprint = process(folder, FERNET).fingerprint(CONTENT)
    assert process(folder, KMS, FERNET).fingerprint(CONTENT) == fingerprint
    assert process(folder, KMS).fingerprint(CONTENT) == fingerprint


@pytest.mark.parametrize("action", ["put", "get"])
@pytest.mark.parametrize(
    ("refusal", "is_transient", "next_step"),
    [
        ("AccessDeniedException", False, "kms:GenerateDataKey and kms:Decrypt"),
        ("DisabledException", False, "enable the KMS key"),
        ("KMSInvalidStateException", False, "pending deletion"),
        ("NotFoundException", False, "check VYE_SNAPSHOT_KEY and AWS_REGION"),
        ("ExpiredTokenException", False, "credentials"),
        ("ThrottlingException", True, "try again later"),
        ("KMSInternalException", True, "try again later"),
    ],
)
def test_a_refusal_of_kms_is_a_failure_of_the_snapshots(
    folder: Path,
    kms: StandInKms,
    monkeypatch: pytest.MonkeyPatch,
    waits: list[float],
    action: str,
    refusal: str,
    is_transient: bool,
    next_step: str,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    process(folder, KMS).put(NAME, CONTENT)

    def refuse(_: int) -> None:
        raise Refused(refusal)

    kms.fault = refuse
    snapshots = process(folder, KMS)
    arguments: tuple[Any, ...] = (NAME, b"newer")[: 2 if action == "put" else 1]
    with pytest.raises(PipelineError, match=refusal) as caught:
        getattr(snapshots, action)(*arguments)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, is_transient)
    assert next_step in caught.value.next_step
    assert "\n" not in str(caught.value)
    assert bool(waits) is is_transient, "what may pass is tried again"
    kms.fault = lambda _: None
    assert snapshots.get(NAME) == CONTENT, "nothing was written, and no failure is remembered"


def test_what_kms_calls_a_refusal_is_shown_only_if_it_is_a_name(
    folder: Path, kms: StandInKms
) -> None:
    def refuse(_: int) -> None:
        raise Refused(PRINTABLE)

    kms.fault = refuse
    with pytest.raises(PipelineError, match="data keys: status 400") as caught:
        process(folder, KMS).put(NAME, CONTENT)
    assert "evil" not in str(caught.value)


def test_throttling_and_cut_connections_are_waited_out(
    folder: Path, kms: StandInKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def two_of_three(number: int) -> bool:
        if number % 3 == 1:
            raise Refused("ThrottlingException")
        return number % 3 == 2

    kms.fault = two_of_three
    snapshots = process(folder, KMS)
    snapshots.put(NAME, CONTENT)
    assert snapshots.get(NAME) == CONTENT


def test_kms_away_is_a_failure_of_the_snapshots_that_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(PipelineError, match="EndpointConnectionError") as caught:
        process(folder, KMS).put(NAME, CONTENT)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, True)
    assert "AWS_ENDPOINT_URL_KMS" in caught.value.next_step
    assert waits


def test_kms_is_not_spoken_to_in_the_clear_unless_the_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://kms.invalid")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL_KMS https://"):
        open_snapshots(named(tmp_path)).put(NAME, CONTENT)
    allowed = named(tmp_path).model_copy(update={"allow_cleartext": True})
    with pytest.raises(PipelineError, match="EndpointConnectionError"):
        open_snapshots(allowed).put(NAME, CONTENT)


def named(folder: Path, *keys: bytes) -> Settings:
    """Settings that name the key of KMS, and perhaps older ones."""
    keys = keys or (KMS,)
    return load_settings(local_dir=folder, snapshot_key=b",".join(keys).decode())


@pytest.mark.parametrize("name", ["alias/vye-snapshots", f"{ARN}alias/vye-snapshots"])
def test_an_alias_names_a_key_too(folder: Path, kms: StandInKms, name: str) -> None:
    kms.aliases["alias/vye-snapshots"] = KEY_ID
    process(folder, name.encode()).put(NAME, CONTENT)
    assert process(folder, KMS).get(NAME) == CONTENT


@pytest.mark.parametrize("name", [KEY_ID, "arn:aws:s3:::bucket", "alias/two words", "alias/ä"])
def test_what_names_no_key_of_kms_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"VYE_SNAPSHOT_KEY is not.*by its ARN or alias") as caught:
        open_snapshots(named(tmp_path, name.encode()))
    assert name not in str(caught.value)


def test_a_day_under_a_key_of_kms_leaves_no_key_and_no_snapshot_in_the_clear(
    embedded: Settings, kms: StandInKms
) -> None:
    under_kms = embedded.model_copy(update={"snapshot_key": KMS.decode()})
    rehearsal = Rehearsal.prepare(under_kms)
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    answer_partition(rehearsal.outage, DAYS[0], Faults(), received_at=at(DAYS[0], hours=1))
    for kind in KINDS:
        statuses = rehearsal.reconcile(DAYS[0], kind, at(DAYS[0], hours=2))["status"]
        assert "acknowledged" in set(statuses)
    assert len(kms.generated) == len(kms.calls) == 1
    assert not under_kms.snapshot_key_file.exists()
    lying = [path for path in (under_kms.folder / "snapshots").rglob("*") if path.is_file()]
    assert len(lying) > 2 * len(KINDS)
    assert all(path.read_bytes().startswith(b"kms1:") for path in lying)


def test_a_day_fails_by_the_snapshots_while_kms_refuses(
    embedded: Settings, kms: StandInKms
) -> None:
    rehearsal = Rehearsal.prepare(embedded.model_copy(update={"snapshot_key": KMS.decode()}))
    rehearsal.dawn()
    kms.disabled.add(KEY_ID)
    failures = rehearsal.egress(DAYS[0])
    assert {failure.cause for failure in failures} == {Cause.STORAGE}
    assert rehearsal.lines() == []
    kms.disabled.clear()
    assert rehearsal.egress(DAYS[0]) == []


def snapshots_finding(settings: Settings) -> tuple[Health, str]:
    (found,) = [one for one in examine(settings, NOW) if one.subject == "snapshots"]
    return found.health, f"{found.words}; {found.remedy}"


def test_the_doctor_has_a_data_key_made_and_opened(embedded: Settings, kms: StandInKms) -> None:
    under_kms = embedded.model_copy(update={"snapshot_key": KMS.decode()})
    health, words = snapshots_finding(under_kms)
    assert health == Health.GOOD
    assert "under a key of KMS" in words
    assert kms.generated
    assert kms.calls
    for action in ("GenerateDataKey", "Decrypt"):
        kms.denied = {action}
        health, words = snapshots_finding(under_kms)
        assert health == Health.BAD
        assert "AccessDeniedException" in words
        assert "kms-policy.json" in words
    kms.denied = set()
    assert open_snapshots(under_kms).names("doctor/") == []


def test_the_command_moves_all_snapshots_and_says_in_a_line_why_not(
    embedded: Settings,
    kms: StandInKms,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = embedded.model_copy(update={"snapshot_key": FERNET.decode()})
    open_snapshots(settings).put(NAME, CONTENT)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(settings.folder))
    monkeypatch.setenv("VYE_SNAPSHOT_KEY", f"{KMS.decode()},{FERNET.decode()}")
    kms.denied = {"GenerateDataKey"}
    assert run(["snapshots", "renew"]) == FAILED
    complaint = capsys.readouterr().err.splitlines()
    assert len(complaint) == 1
    assert "AccessDeniedException" in complaint[0]
    kms.denied = set()
    assert run(["snapshots", "renew"]) == SUCCESS
    assert "1 of 1 snapshots" in capsys.readouterr().out
    monkeypatch.setenv("VYE_SNAPSHOT_KEY", KMS.decode())
    assert open_snapshots(load_settings()).get(NAME) == CONTENT


def test_the_policy_allows_what_snapshots_ask_and_no_more(folder: Path, kms: StandInKms) -> None:
    snapshots = process(folder, KMS)
    snapshots.put(NAME, CONTENT)
    snapshots.get(NAME)
    statements = {one["Sid"]: one for one in json.loads(POLICY.read_text("utf-8"))["Statement"]}
    mine = statements["WrapTheDataKeysOfTheSnapshots"]
    assert set(mine["Action"]) == {"kms:GenerateDataKey", "kms:Decrypt"}
    (key, value) = next(iter(SNAPSHOTS.items()))
    assert mine["Condition"] == {
        "StringEquals": {f"kms:EncryptionContext:{key}": value},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": [key]},
    }
    assert kms.generated == kms.calls == [SNAPSHOTS]


@pytest.fixture
def moto_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """ARNs of two keys of moto's KMS; the first has an alias."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")
    with mock_aws():
        client = boto3.client("kms", region_name="us-gov-west-1")
        arns = [client.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
        client.create_alias(AliasName="alias/vye-snapshots", TargetKeyId=arns[0])
        yield arns


def test_another_kms_makes_and_opens_the_same(folder: Path, moto_keys: list[str]) -> None:
    key, other = (arn.encode() for arn in moto_keys)
    process(folder, b"alias/vye-snapshots").put(NAME, CONTENT)
    assert process(folder, key).get(NAME) == CONTENT
    with pytest.raises(PipelineError) as caught:  # moto refuses it as a right that is missing
        process(folder, other).get(NAME)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, False)
    client = boto3.client("kms", region_name="us-gov-west-1")
    wrapped = client.generate_data_key(KeyId=moto_keys[0], KeySpec="AES_256")["CiphertextBlob"]
    FolderStore(folder).put("foreign", b"kms1:" + b64encode(wrapped) + b":token")
    assert "damaged" in refused(process(folder, key), "foreign").what
