"""Steps that run alone, as from the UI: each takes what it needs from ledger and snapshots."""

from __future__ import annotations

import dagster as dg
import pytest

from vye_pipeline.definitions import build_definitions
from vye_pipeline.orchestration.jobs import EGRESS
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

DAY = DAYS[0]


@pytest.fixture
def rehearsal(embedded: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(embedded)
    prepared.dawn()
    return prepared


def run(
    rehearsal: Rehearsal, instance: dg.DagsterInstance, *stages: str
) -> dg.ExecuteInProcessResult:
    """Runs stages of verifications in a Dagster run."""
    definitions = build_definitions(rehearsal.pipeline, Clock(lambda: at(DAY, minutes=1)))
    return definitions.resolve_job_def(EGRESS).execute_in_process(
        partition_key=str(DAY),
        instance=instance,
        asset_selection=[dg.AssetKey([VERIFICATIONS.name, stage]) for stage in stages],
        raise_on_error=False,
    )


def test_each_step_of_a_day_can_run_alone(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    for stage in ("export_ready", "upload_file", "delivery"):
        assert run(rehearsal, instance, stage).success
    assert rehearsal.day(DAY, VERIFICATIONS).delivery == "delivered"


@pytest.mark.parametrize(
    ("before", "stage"),
    [(["export_ready"], "upload_file"), (["export_ready", "upload_file"], "delivery")],
)
def test_a_lost_snapshot_fails_the_step_that_needs_it_on_record(
    rehearsal: Rehearsal, instance: dg.DagsterInstance, before: list[str], stage: str
) -> None:
    assert run(rehearsal, instance, *before).success
    snapshots = rehearsal.pipeline.settings.folder / "snapshots"
    for file in snapshots.rglob(f"{before[-1]}.*"):
        file.unlink()
    failed = run(rehearsal, instance, stage)
    (event,) = (event for event in failed.all_events if event.is_step_failure)
    user_failure = event.step_failure_data.user_failure_data
    assert user_failure
    assert "restore the snapshot" in (user_failure.description or "")
    day = rehearsal.day(DAY, VERIFICATIONS)
    assert (day.delivery, day.cause) == ("failed", "storage")


def test_a_step_before_its_turn_says_what_to_run(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    failed = run(rehearsal, instance, "delivery")
    (event,) = (event for event in failed.all_events if event.is_step_failure)
    user_failure = event.step_failure_data.user_failure_data
    assert user_failure
    assert f"vye egress {DAY} --kind {VERIFICATIONS.name}" in (user_failure.description or "")
    assert {rehearsal.day(DAY, kind).delivery for kind in KINDS[1:]} == {"missing"}


def test_a_file_that_a_newer_day_has_overtaken_is_rendered_anew_by_the_step_that_sends_it(
    rehearsal: Rehearsal, instance: dg.DagsterInstance
) -> None:
    rehearsal.refuse(DAY)
    rehearsal.egress(DAY)
    lines_before = rehearsal.day(DAY, VERIFICATIONS).lines
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[1]) == []
    rehearsal.refuse_nothing()
    assert run(rehearsal, instance, "delivery").success
    row = rehearsal.day(DAY, VERIFICATIONS)
    assert row.delivery == "delivered"
    assert row.counts["superseded"] == lines_before - row.lines > 0
    assert rehearsal.outage.get(row.object_key or "").count(b"\n") == row.lines
