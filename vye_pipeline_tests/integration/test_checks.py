"""The checks of the way back, as a Dagster run reports them: red when they must be, with whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off, end_of_day
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.ledger.rows import FileRow
from vye_pipeline.orchestration.checks import flag_is_writable
from vye_pipeline.orchestration.jobs import RECONCILE
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY = DAYS[0]
PROFILES = ("user_profiles", "open_user_profiles", "rejected_user_profiles")


@pytest.fixture
def rehearsal(embedded: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(embedded)
    prepared.dawn()
    return prepared


def checked(
    rehearsal: Rehearsal, instance: dg.DagsterInstance, now: datetime
) -> dict[str, dg.AssetCheckEvaluation]:
    """Reconciles the day in a Dagster run and returns the checks of verifications by name."""
    definitions = build_definitions(rehearsal.pipeline, Clock(lambda: now.astimezone(UTC)))
    result = definitions.resolve_job_def(RECONCILE).execute_in_process(
        partition_key=str(DAY), instance=instance
    )
    return {
        one.check_name: one
        for one in result.get_asset_check_evaluations()
        if one.asset_key.path[0] in (VERIFICATIONS.name, "manual_reconciliation")
    }


def profiles(evaluation: dg.AssetCheckEvaluation) -> list[Any]:
    """Returns the user profiles that a check names."""
    tables = [evaluation.metadata[name] for name in PROFILES if name in evaluation.metadata]
    assert len(tables) == 1
    assert isinstance(tables[0], dg.TableMetadataValue)
    return [record.data["user_profile_id"] for record in tables[0].records]


def test_on_a_good_day_every_check_passes(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    assert rehearsal.egress(DAY) == []
    answer_partition(rehearsal.outage, DAY, Faults(), received_at=at(DAY, hours=1))
    red = {
        name
        for name, one in checked(rehearsal, instance, at(DAY, hours=2)).items()
        if not one.passed
    }
    assert red == set()
    quarantined = sum(rehearsal.day(DAY, kind).counts["quarantined"] for kind in KINDS)
    assert quarantined > 0, "what is held back is no incident while it is little"


def test_without_the_credential_for_the_flag_a_check_warns(embedded: Settings) -> None:
    on_a_server = embedded.model_copy(update={"database_url": "postgresql://a@localhost:1/b"})
    pipeline = Context(on_a_server)
    found = flag_is_writable(pipeline)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "VYE_DATABASE_WRITE_URL" in (found.description or "")
    assert flag_is_writable(Context(embedded)).passed


@pytest.mark.parametrize(
    ("faults", "severity"),
    [
        (Faults(reject=1), dg.AssetCheckSeverity.WARN),
        (Faults(garble=1), dg.AssetCheckSeverity.ERROR),
    ],
)
def test_what_bdn_did_is_told_apart_from_what_was_held_back(
    rehearsal: Rehearsal,
    instance: dg.DagsterInstance,
    faults: Faults,
    severity: dg.AssetCheckSeverity,
) -> None:
    assert rehearsal.egress(DAY) == []
    answer_partition(rehearsal.outage, DAY, faults, received_at=at(DAY, hours=1))
    found = checked(rehearsal, instance, at(DAY, hours=2))
    assert {name for name, one in found.items() if not one.passed} == {"bdn_accepted_every_line"}
    accepted = found["bdn_accepted_every_line"]
    assert accepted.severity is severity
    numbers = {one.value for one in accepted.metadata.values() if isinstance(one.value, int)}
    assert numbers == {0, 1}


def test_records_that_are_held_back_in_numbers_are_a_warning(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    rehearsal.change(
        "UPDATE vye_verifications SET source_ind = '?' WHERE user_info_id IN"
        " (SELECT id FROM vye_user_infos WHERE bdn_clone_id = 1)"
    )
    rehearsal.egress(DAY)
    found = checked(rehearsal, instance, at(DAY, hours=2))["few_records_are_held_back"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert "records break a rule" in (found.description or "")


def test_who_waits_too_long_for_a_person_is_a_warning(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    assert rehearsal.egress(DAY) == []
    answer_partition(rehearsal.outage, DAY, Faults(reject=1), received_at=at(DAY, hours=1))
    fresh = checked(rehearsal, instance, at(DAY, hours=2))["nobody_waits_too_long"]
    assert fresh.passed
    waited = end_of_day(FEDERAL_CALENDAR.business_days_after(DAY, 6))
    late = checked(rehearsal, instance, waited)["nobody_waits_too_long"]
    assert not late.passed
    assert f"vye affected --date {DAY}" in (late.description or "")


def test_what_was_not_delivered_by_the_deadline_is_named(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    rehearsal.refuse(DAY, VERIFICATIONS)
    rehearsal.egress(DAY)
    in_time = checked(rehearsal, instance, at(DAY, hours=2))["settled_by_its_deadline"]
    late = checked(rehearsal, instance, end_of_day(FEDERAL_CALENDAR.business_days_after(DAY, 3)))
    assert in_time.passed
    assert not late["settled_by_its_deadline"].passed
    assert len(profiles(late["settled_by_its_deadline"])) == rehearsal.day(DAY, VERIFICATIONS).lines
    assert "backfill" in (late["settled_by_its_deadline"].description or "")


def test_an_unusual_rate_of_rejections_is_named(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    assert rehearsal.egress(DAY) == []
    earlier = [FEDERAL_CALENDAR.business_days_after(DAY, -number) for number in range(1, 8)]
    for number, day in enumerate(earlier):
        _answered_before(rehearsal, day, number)
    answer_partition(rehearsal.outage, DAY, Faults(refuse=True), received_at=at(DAY, hours=1))
    rate = checked(rehearsal, instance, at(DAY, hours=2))["rejection_rate_is_usual"]
    assert not rate.passed
    assert rate.severity is dg.AssetCheckSeverity.ERROR
    assert len(profiles(rate)) == rehearsal.day(DAY, VERIFICATIONS).lines


def _answered_before(rehearsal: Rehearsal, day: Any, number: int) -> None:
    """Lets the ledger remember a day of 100 lines of which BDN rejected one."""
    name = f"file{number}"
    file = FileRow(day, VERIFICATIONS.name, name, name, name, 0, name, 2_900, 100)
    ledger = rehearsal.pipeline.ledger
    claims, findings = (
        rehearsal.pipeline.ledger.claimed(DAY, VERIFICATIONS)[1].iloc[:0],
        rehearsal.pipeline.ledger.findings(DAY, VERIFICATIONS).iloc[:0],
    )
    ledger.claim(
        file,
        VERIFICATIONS,
        clone_ids=[],
        claims=claims,
        findings=findings,
        claimed_at=cut_off(day),
    )
    ledger.deliver(file, VERIFICATIONS, cut_off(day))
    ledger.record_acknowledgement(
        read_at=cut_off(day),
        partition_date=day,
        kind=VERIFICATIONS.name,
        revision=1,
        sequence=1,
        fingerprint=name,
        object_key=name,
        snapshot_name=name,
        received_at=cut_off(day),
        disposition="F",
        reason_code=None,
        lines_received=100,
        accepted_count=99,
        rejected_count=1,
    )


def test_a_record_that_came_after_its_day_was_sent_is_named(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    assert rehearsal.egress(DAY) == []
    before = checked(rehearsal, instance, at(DAY, hours=2))["every_record_has_a_partition"]
    rehearsal.change(
        "INSERT INTO vye_verifications (id, user_info_id, transact_date, source_ind, created_at,"
        " updated_at) SELECT 999999, min(i.id), '2025-03-31', 'W', '2025-03-31 12:00:00.000000',"
        " '2025-03-31 12:00:00.000000' FROM vye_user_infos i WHERE i.bdn_clone_id = 1"
    )
    after = checked(rehearsal, instance, at(DAY, hours=3))["every_record_has_a_partition"]
    assert before.passed
    assert not after.passed
    assert len(profiles(after)) == 1
    assert "belong to no partition" in (after.description or "")


def test_that_nobody_can_tell_is_said_while_vyes_database_is_away(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    assert rehearsal.egress(DAY) == []
    rehearsal.change("ALTER TABLE vye_verifications RENAME TO elsewhere")
    check = checked(rehearsal, instance, at(DAY, hours=2))["every_record_has_a_partition"]
    assert not check.passed
    assert "can't be told" in (check.description or "")
