"""Production's other habits, and a first dry run on it: what a command says, writes and leaves."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.cli.commands import run
from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Health
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.contacts import Contact, look_up, reachable
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.sample import SAMPLE_FOLDER
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID
from vye_pipeline.vye_database.personal import PERSONAL, encrypted_tables
from vye_pipeline_tests.integration.production_shape import (
    GOLDEN,
    GOLDEN_DAY,
    SENT_AT,
    prepare_golden,
)
from vye_pipeline_tests.integration.rehearsal import Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.stand_in_kms import MODELS, Refused, StandInKms

pytestmark = pytest.mark.long

POLICY = CHECKOUT / "docs" / "deployment" / "kms-policy.json"


@pytest.fixture
def production(kms: StandInKms, tmp_path: Path) -> Settings:
    """Settings of the golden day in production's shape."""
    return prepare_golden(tmp_path)


@pytest.fixture
def surroundings(production: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same, as the environment of a command."""
    for name, value in {
        "LOCAL_DIR": str(production.folder),
        "START_DATE": str(production.start_date),
        "COLUMN_KMS_KEY_ID": production.column_kms_key_id or "",
        "IDENTITY_URL": production.identities_url or "",
    }.items():
        monkeypatch.setenv(f"VYE_{name}", value)
    return production


def vye(*arguments: str) -> tuple[int, str, str]:
    printed, complained = StringIO(), StringIO()
    with redirect_stdout(printed), redirect_stderr(complained):
        code = run(arguments)
    return code, printed.getvalue(), complained.getvalue()


def test_a_dry_run_counts_and_leaves_nothing_behind(surroundings: Settings) -> None:
    code, printed, _ = vye("egress", str(GOLDEN_DAY), "--dry-run")
    assert code == 0
    for kind, name in zip(
        KINDS, ("vawave064", "DirDep20240304044500.txt", "CHGADD20240304044500.txt"), strict=True
    ):
        sent = (GOLDEN / "expected" / name).read_bytes()
        line = f"{kind.name}: {len(sent.splitlines())} lines ({len(sent)} bytes)"
        assert line in printed
    assert "kms calls: 622" in printed
    pipeline = Rehearsal.open(surroundings).pipeline
    assert all(pipeline.ledger.file(GOLDEN_DAY, kind) is None for kind in KINDS)
    assert pipeline.objects.list("outbound/") == []
    assert not any(path.is_file() for path in (surroundings.folder / "snapshots").rglob("*"))
    assert Rehearsal.open(surroundings).flag(3) is True


def test_a_dry_run_that_would_fail_says_why(surroundings: Settings, kms: StandInKms) -> None:
    def denied(_: int) -> None:
        raise Refused("AccessDeniedException")

    kms.fault = denied
    code, printed, complained = vye("egress", str(GOLDEN_DAY), "--dry-run")
    assert code == 1
    assert "verifications: would fail" in printed
    assert "kms:Decrypt" in complained


def test_the_doctor_says_shape_key_and_identities(production: Settings, kms: StandInKms) -> None:
    findings = {one.subject: one for one in examine(production, datetime.now(UTC))}
    assert "encrypted (production's shape)" in findings["VYE's database"].words
    assert findings["column key"].health == Health.GOOD
    assert findings["identities"].health == Health.GOOD
    assert {call["model_name"] for call in kms.calls} == MODELS
    insecure = production.model_copy(update={"column_kms_key_id": INSECURE_KEY_ID})
    shouting = {one.subject: one for one in examine(insecure, datetime.now(UTC))}["column key"]
    assert shouting.health == Health.BAD
    assert "NOT ENCRYPTED" in shouting.words


def test_the_policy_allows_what_a_day_asks_and_no_more(
    production: Settings, kms: StandInKms
) -> None:
    assert Rehearsal.open(production).egress(GOLDEN_DAY, now=SENT_AT) == []
    statement = json.loads(POLICY.read_text(encoding="utf-8"))["Statement"][0]
    assert statement["Sid"] == "OpenTheDataKeysOfVyesRows"
    assert statement["Action"] == "kms:Decrypt"
    condition = statement["Condition"]
    models = condition["StringEquals"]["kms:EncryptionContext:model_name"]
    assert {call["model_name"] for call in kms.calls} <= set(models) == MODELS
    keys = condition["ForAllValues:StringEquals"]["kms:EncryptionContextKeys"]
    assert {name for call in kms.calls for name in call} == set(keys)


def switch_processing_off(rehearsal: Rehearsal) -> None:
    rehearsal.change("CREATE TABLE flipper_gates (feature_key text, key text, value text)")
    rehearsal.change(
        "INSERT INTO flipper_gates VALUES ('disable_bdn_processing', 'boolean', 'true')"
    )


def test_switched_off_processing_is_said_and_vye_not_blamed(production: Settings) -> None:
    rehearsal = Rehearsal.open(production)
    rehearsal.change("UPDATE vye_bdn_clones SET export_ready = NULL")
    (failure,) = rehearsal.egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert "did not run" in failure.what
    switch_processing_off(rehearsal)
    (failure,) = rehearsal.egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert "disable_bdn_processing" in failure.what
    findings = {one.subject: one for one in examine(production, datetime.now(UTC))}
    assert findings["BDN processing"].health == Health.WARNING
    late = [
        alarm.text
        for alarm in alarms(Rehearsal.open(production).pipeline, at(GOLDEN_DAY, hours=2))
        if alarm.subject == "lateness"
    ]
    assert late
    assert all("disable_bdn_processing" in words for words in late)


def as_sent(contact: Contact | None) -> tuple[str, ...]:
    """Returns a contact as BDN gets it: a telephone number is its digits."""
    assert contact is not None
    phones = (re.sub("[^0-9]", "", one) for one in (contact.phone, contact.phone2))
    return (*phones, contact.email)


def refuse_all(rehearsal: Rehearsal) -> None:
    """Lets BDN refuse the files, so that everybody in them needs a person."""
    answered_at = SENT_AT + timedelta(hours=1)
    answer_partition(rehearsal.outage, GOLDEN_DAY, Faults(refuse=True), received_at=answered_at)
    for kind in KINDS:
        rehearsal.reconcile(GOLDEN_DAY, kind, answered_at + timedelta(hours=1))


def test_what_vye_deletes_in_the_evening_is_known_from_what_was_sent(production: Settings) -> None:
    rehearsal = Rehearsal.open(production)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    refuse_all(rehearsal)
    pipeline = rehearsal.pipeline
    claims = pipeline.ledger.claimed(GOLDEN_DAY, KINDS[1])[1]
    profiles = sorted(set(claims.loc[claims["disposition"] == "line", "user_profile_id"].tolist()))
    before = {
        profile: look_up(pipeline, profile, looked_up_by="a", reason="b", now=at(GOLDEN_DAY))
        for profile in profiles[:3]
    }
    assert reachable(pipeline, profiles) == set(profiles)
    rehearsal.change("DELETE FROM vye_direct_deposit_changes")
    rehearsal.change("DELETE FROM vye_address_changes")
    assert reachable(pipeline, profiles) == set(profiles)
    for profile, contact in before.items():
        again = look_up(pipeline, profile, looked_up_by="a", reason="b", now=at(GOLDEN_DAY))
        assert as_sent(again) == as_sent(contact)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == [], (
        "a delivered day is frozen, whatever became of it"
    )


def test_productions_shape_has_no_foreign_keys_and_integer_references(
    postgresql: PostgreSQL, kms: StandInKms, tmp_path: Path
) -> None:
    rehearsal = Rehearsal.open(prepare_golden(tmp_path, postgresql.database()))
    inspector = inspect(rehearsal.pipeline.vye_engine)
    for table in encrypted_tables().tables:
        assert inspector.get_foreign_keys(table) == []
        types = {one["name"]: str(one["type"]) for one in inspector.get_columns(table)}
        assert types["id"] == "BIGINT"
        references = {
            name for name in types if name.endswith("_id") and name.startswith(("user_", "bdn_"))
        }
        assert {types[name] for name in references} <= {"INTEGER"}
        assert not set(types) & set(PERSONAL[table].columns if table in PERSONAL else ())
    assert not inspector.has_table("mpi_identities")


def test_a_database_is_made_in_productions_shape_from_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "local"
    monkeypatch.setenv("VYE_LOCAL_DIR", str(folder))
    assert vye("database", "create", "--encrypted")[0] == 0
    code, _, complained = vye("database", "import", str(SAMPLE_FOLDER))
    assert code == 2
    assert "VYE_IDENTITY_URL" in complained
    monkeypatch.setenv("VYE_IDENTITY_URL", f"sqlite:///{folder / 'identities.db'}")
    monkeypatch.setenv("VYE_COLUMN_KMS_KEY_ID", INSECURE_KEY_ID)
    assert vye("database", "create", "--encrypted")[0] == 0
    code, printed, complained = vye("database", "import", str(SAMPLE_FOLDER))
    assert code == 0, complained
    with Rehearsal.open(load_settings()).pipeline.vye_engine.connect() as connection:
        stored = connection.execute(
            text(
                "SELECT count(*), count(stub_nm_ciphertext), min(encrypted_kms_key)"
                " FROM vye_user_infos"
            )
        ).one()
    assert f"vye_user_infos: {stored[0]} rows" in printed
    assert stored[0] == stored[1]
    assert stored[2].startswith("v2025:")
