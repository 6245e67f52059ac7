"""What KMS may answer, and rows that can't be opened: each of its own consequence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vye_pipeline.egress.export import snapshot_records
from vye_pipeline.errors import Cause
from vye_pipeline.kms import AT_ONCE
from vye_pipeline.ledger.models import REPLACED
from vye_pipeline.records import KINDS, VERIFICATIONS, Kind
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline.vye_database.personal import PERSONAL
from vye_pipeline_tests.integration.production_shape import (
    GOLDEN,
    GOLDEN_DAY,
    SENT_AT,
    assert_golden,
    prepare_golden,
    rotate,
)
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.integration.stand_in_kms import OTHER_KEY_ID, Refused, StandInKms

pytestmark = pytest.mark.long


@pytest.fixture
def production(kms: StandInKms, tmp_path: Path) -> Settings:
    """Settings of the golden day in production's shape."""
    return prepare_golden(tmp_path)


def take(rehearsal: Rehearsal, kind: Kind = VERIFICATIONS) -> pd.DataFrame:
    """Runs a kind of the golden day and returns what it is quarantined for."""
    assert rehearsal.egress(GOLDEN_DAY, kind, now=SENT_AT) == []
    findings = rehearsal.pipeline.ledger.findings(GOLDEN_DAY, kind)
    return findings[findings["is_quarantining"]]


@pytest.fixture
def rehearsal(production: Settings) -> Rehearsal:
    """The golden day in production's shape."""
    return Rehearsal.open(production)


LINES = len((GOLDEN / "expected" / "vawave064").read_bytes().splitlines())
OTHER_NAME = "SELECT stub_nm_ciphertext FROM vye_user_infos WHERE id = :other"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (
            "encrypted_kms_key = (SELECT encrypted_kms_key FROM vye_user_infos WHERE id = :other)",
            "key",
        ),
        ("encrypted_kms_key = NULL", "key"),
        ("encrypted_kms_key = 'v2025:garbage'", "key"),
        ("stub_nm_ciphertext = (" + OTHER_NAME + ")", "text"),
        ("stub_nm_ciphertext = 'in the clear'", "text"),
    ],
)
def test_a_row_that_cant_be_read_is_quarantined_by_itself(
    rehearsal: Rehearsal, statement: str, code: str
) -> None:
    ids = newest_user_infos(rehearsal)
    rehearsal.change(
        f"UPDATE vye_user_infos SET {statement} WHERE id = :id", id=ids[0], other=ids[1]
    )
    found = take(rehearsal)
    assert list(zip(found["field"], found["code"], strict=True)) == [("stub_nm", code)]
    assert len(rehearsal.lines()) == LINES - 1


def newest_user_infos(rehearsal: Rehearsal) -> list[int]:
    """Returns user_infos that have a verification which goes out."""
    with rehearsal.pipeline.vye_engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT DISTINCT user_info_id FROM vye_verifications ORDER BY 1"
        )
        return [int(row[0]) for row in rows]


@pytest.mark.parametrize(
    ("refusal", "is_transient"),
    [
        ("AccessDeniedException", False),
        ("DisabledException", False),
        ("KMSInvalidStateException", False),
        ("NotFoundException", False),
        ("UnrecognizedClientException", False),
        ("ExpiredTokenException", False),
    ],
)
def test_a_refusal_of_kms_fails_the_day_and_claims_nothing(
    rehearsal: Rehearsal, kms: StandInKms, refusal: str, is_transient: bool
) -> None:
    def after_some(number: int) -> None:
        if number > 50:
            raise Refused(refusal)

    kms.fault = after_some
    (failure,) = rehearsal.egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert failure.cause is Cause.SOURCE
    assert failure.is_transient is is_transient
    assert refusal in failure.what
    assert rehearsal.pipeline.ledger.file(GOLDEN_DAY, VERIFICATIONS) is None
    assert rehearsal.lines() == []
    assert len(kms.calls) < 50 + 2 * AT_ONCE, "what hadn't begun was dropped"
    kms.fault = lambda _: None
    assert take(rehearsal).empty


def test_throttling_and_cut_connections_are_waited_out(
    rehearsal: Rehearsal, kms: StandInKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def every_tenth(number: int) -> bool:
        if number % 10 == 0:
            raise Refused("ThrottlingException")
        return number % 33 == 0

    kms.fault = every_tenth
    assert take(rehearsal).empty
    assert len(rehearsal.lines()) == LINES


def test_an_outage_of_kms_is_a_failure_of_the_source_that_passes(
    rehearsal: Rehearsal, kms: StandInKms, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    (failure,) = rehearsal.egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert (failure.cause, failure.is_transient) == (Cause.SOURCE, True)
    assert waits, "the pipeline tried again"
    assert rehearsal.pipeline.ledger.file(GOLDEN_DAY, VERIFICATIONS) is None


@pytest.mark.parametrize(
    "key_id", [OTHER_KEY_ID, INSECURE_KEY_ID, "33333333-3333-4333-8333-333333333333"]
)
def test_a_wrong_key_id_fails_the_day(production: Settings, key_id: str) -> None:
    rehearsal = Rehearsal.open(production.model_copy(update={"column_kms_key_id": key_id}))
    (failure,) = rehearsal.egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert (failure.cause, failure.is_transient) == (Cause.SOURCE, False)
    assert "VYE_COLUMN_KMS_KEY_ID" in failure.next_step
    assert rehearsal.pipeline.ledger.file(GOLDEN_DAY, VERIFICATIONS) is None


def test_what_is_replaced_is_never_opened_nor_kept(rehearsal: Rehearsal, kms: StandInKms) -> None:
    for kind in KINDS:
        assert rehearsal.egress(GOLDEN_DAY, kind, now=SENT_AT) == []
        claims = rehearsal.pipeline.ledger.claimed(GOLDEN_DAY, kind)[1]
        file = rehearsal.pipeline.ledger.file(GOLDEN_DAY, kind)
        records = snapshot_records(rehearsal.pipeline, file)
        assert records is not None
        replaced = set(claims.loc[claims["disposition"] == REPLACED, "record_id"])
        assert replaced
        kept = records[records["record_id"].isin(replaced)]
        personal = [column.name for column in kind.columns if column.is_sensitive]
        assert (kept[personal] == "").all(axis=None)
        opened = {call["model_id"] for call in kms.calls if call["model_name"] == model(kind)}
        assert not opened & {str(one) for one in replaced}


def model(kind: Kind) -> str:
    return PERSONAL[kind.table].model if kind.table in PERSONAL else "none"


def test_a_vanished_row_that_couldnt_be_opened_stays_quarantined(rehearsal: Rehearsal) -> None:
    kind = DIRECT_DEPOSIT_CHANGES
    rehearsal.refuse(GOLDEN_DAY, kind)
    with rehearsal.pipeline.vye_engine.connect() as connection:
        record = connection.exec_driver_sql(
            "SELECT id FROM vye_direct_deposit_changes ORDER BY created_at DESC LIMIT 1"
        ).scalar()
    rehearsal.change(
        "UPDATE vye_direct_deposit_changes SET phone2_ciphertext = 'damaged' WHERE id = :id",
        id=record,
    )
    assert rehearsal.egress(GOLDEN_DAY, kind, now=SENT_AT) != []
    rehearsal.change("DELETE FROM vye_direct_deposit_changes WHERE id = :id", id=record)
    rehearsal.refuse_nothing()
    found = take(rehearsal, kind)
    mine = found[found["record_id"] == record]
    assert list(zip(mine["field"], mine["code"], strict=True)) == [("phone2", "text")]


def test_a_rotation_in_the_middle_changes_nothing_that_is_sent(
    rehearsal: Rehearsal, kms: StandInKms
) -> None:
    rehearsal.refuse(GOLDEN_DAY)
    rehearsal.egress(GOLDEN_DAY, now=SENT_AT)
    rotate(rehearsal)
    rehearsal.refuse_nothing()
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    assert_golden(rehearsal)
