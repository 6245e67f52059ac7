"""The real daemon, webserver, code server and queue: one day, one run, oldest first, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster._core.remote_representation.external import RemoteSchedule
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from dagster._core.storage.tags import (
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.daemon import get_default_daemon_logger
from dagster._scheduler.scheduler import launch_scheduled_runs_for_schedule
from sqlalchemy import func, select

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off
from vye_pipeline.ledger.models import FAILURES, SUCCEEDED, TRIES
from vye_pipeline.orchestration.jobs import EGRESS_STAGES, RECONCILE, asset_keys
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.simulation.sample import generate, write_folder
from vye_pipeline.simulation.vye_application import activate_next_clone
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at, load
from vye_pipeline_tests.reliability.deployment import (
    REPOSITORY,
    Deployment,
    deployed,
    eventually,
    kill_process,
    processes,
    runs_of,
)
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import all_delivered, outcome

pytestmark = pytest.mark.long

NAMES = tuple(kind.name for kind in KINDS)
EGRESS_ASSETS = [{"path": list(key.path)} for key in asset_keys(EGRESS_STAGES, NAMES)]
AFTER_FAILURE = "reconcile_after_failed_egress"
SCHEDULE = "egress_when_activated"
SEVERAL = DAYS[:3]


@dataclass
class World:
    """A pipeline, and what BDN would be sent if nothing happened to it."""

    rehearsal: Rehearsal
    reference: dict[str, bytes]
    days: Sequence[date]
    bucket: str

    @property
    def settings(self) -> Settings:
        """The settings that all processes share."""
        return self.rehearsal.pipeline.settings

    def delivered_once(self, row: Row) -> None:
        """Holds ledger, store and source against each other, and against the reference."""
        outcome(self.rehearsal, self.reference, row)
        assert (row.lost, row.twice) == (0, 0)
        assert all_delivered(self.rehearsal, tuple(self.days))
        clones = range(1, len(self.days) + 1)
        assert [self.rehearsal.unclaimed(kind, *clones) for kind in KINDS] == [[], [], []]
        assert self._versions() == dict.fromkeys(self.reference, 1)
        puts = select(func.count()).where(TRIES.c.outcome == SUCCEEDED)
        assert self._count(puts) == len(self.reference)

    def failures(self) -> int:
        """Returns how many failures the ledger has."""
        return self._count(select(func.count()).select_from(FAILURES))

    def _count(self, query: Any) -> int:
        return int(self.rehearsal.pipeline.ledger.read(lambda one: one.execute(query).scalar_one()))

    @contextmanager
    def occupied(self, key: str) -> Iterator[None]:
        """Has something else lie where a file is to be put; then it is gone, with its version."""
        self.rehearsal.pipeline.objects.put(key, b"somebody else's\n")
        yield
        client = boto3.client("s3")
        for version in client.list_object_versions(Bucket=self.bucket)["Versions"]:
            if version["Key"] == key:
                client.delete_object(Bucket=self.bucket, Key=key, VersionId=version["VersionId"])

    def _versions(self) -> dict[str, int]:
        listed = boto3.client("s3").list_object_versions(Bucket=self.bucket, Prefix="outbound/")
        assert "DeleteMarkers" not in listed
        return Counter(version["Key"] for version in listed["Versions"])


@pytest.fixture
def make_world(tmp_path: Path, s3_bucket: str) -> Callable[[Sequence[date]], World]:
    """Makes a world of some days, on a store that keeps every version of an object."""
    boto3.client("s3").put_bucket_versioning(
        Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"}
    )

    def made(days: Sequence[date]) -> World:
        write_folder(generate(1, days, profiles=40, user_infos_a_clone=30), tmp_path / "tables")
        undisturbed = _prepared(tmp_path / "undisturbed", days, None)
        for day in days:
            _dawn(undisturbed, day)
            assert undisturbed.egress(day) == []
        rehearsal = _prepared(tmp_path / "local", days, f"s3://{s3_bucket}")
        return World(rehearsal, undisturbed.sent(), days, s3_bucket)

    return made


def _prepared(folder: Path, days: Sequence[date], url: str | None) -> Rehearsal:
    settings = load_settings(
        local_dir=folder, start_date=days[0], end_date=days[-1], object_store_url=url
    )
    load(settings, folder.with_name("tables"))
    return Rehearsal.open(settings)


def _dawn(rehearsal: Rehearsal, day: date) -> None:
    with rehearsal.pipeline.vye.engine().begin() as connection:
        activate_next_clone(connection, cut_off(day))


def ticks(
    deployment: Deployment, instance: dg.DagsterInstance, since: datetime
) -> Iterator[datetime]:
    """Has Dagster's scheduler evaluate the egress schedule, a five-minute tick each time.

    It is the daemon's own code, asking the code server and submitting to the queue; only the times
    are given to it, for by the clock on the wall an hour of ticks takes an hour.
    """
    logger = get_default_daemon_logger(SCHEDULE)
    target = WorkspaceFileTarget([str(deployment.workspace)])
    with WorkspaceProcessContext(instance, target) as process:
        (location,) = process.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        schedule = repository.get_schedule(SCHEDULE)
        state = _started(schedule, instance, since)
        while True:
            since += timedelta(minutes=5)
            launch_scheduled_runs_for_schedule(
                process, logger, schedule, state, since, 1, 0,
                instance.get_tick_retention_settings(InstigatorType.SCHEDULE), None, None, None,
            )  # fmt: skip
            yield since


def _started(
    schedule: RemoteSchedule, instance: dg.DagsterInstance, since: datetime
) -> InstigatorState:
    state = InstigatorState(
        schedule.get_remote_origin(),
        InstigatorType.SCHEDULE,
        InstigatorStatus.DECLARED_IN_CODE,
        ScheduleInstigatorData(schedule.cron_schedule, since.timestamp()),
    )
    instance.add_instigator_state(state)
    return state


def reconciled_after_failure(instance: dg.DagsterInstance, day: date) -> list[dg.DagsterRun]:
    """Returns the runs of a day that were started because its egress has failed."""
    return [run for run in runs_of(instance, day) if run.tags.get(SENSOR_NAME_TAG) == AFTER_FAILURE]


def is_over(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Says whether a run has ended."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def test_the_schedule_starts_a_day_once_whether_it_is_delivered_or_fails(
    make_world: Callable[[Sequence[date]], World], rows: list[Row]
) -> None:
    row = Row("hours of five-minute ticks, before, during and after a day's run")
    rows.append(row)
    now = datetime.now(UTC)
    day = FEDERAL_CALENDAR.latest_business_day(now - timedelta(days=1))
    world = make_world([day])
    _dawn(world.rehearsal, day)
    with (
        world.occupied(outbound_key(KINDS[1], day)),
        deployed(world.settings) as (deployment, instance),
    ):
        tick = ticks(deployment, instance, now + timedelta(hours=1))
        for _ in range(12):
            next(tick)
        (run,) = runs_of(instance, day)
        deployment.start("daemon")
        while not is_over(instance, run.run_id):
            next(tick)
        for _ in range(24):
            next(tick)
        assert world.failures() == 1
        (reconciled,) = eventually(lambda: reconciled_after_failure(instance, day))
        assert reconciled.job_name == RECONCILE
        schedules = [run.tags.get(SCHEDULE_NAME_TAG) for run in runs_of(instance, day)]
        assert schedules.count(SCHEDULE) == 1
    with Session(world.settings) as session:
        assert session.egress(day, NAMES).problems == []
    world.delivered_once(row)


LAUNCH = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params)
    { __typename ... on LaunchRunSuccess { run { runId } } } }"""
BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(
    backfillParams: $params) { __typename ... on LaunchBackfillSuccess { backfillId } } }"""
STATUSES = """query ($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
    assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } }
    } }"""


def materialize(deployment: Deployment, day: date) -> str:
    """Runs the egress from the page of its assets, as its button does, without a job's tags."""
    params = {
        "selector": {
            **REPOSITORY, "pipelineName": "__ASSET_JOB", "assetSelection": EGRESS_ASSETS,
            "assetCheckSelection": None,
        },
        "mode": "default",
        "executionMetadata": {"tags": [{"key": PARTITION_NAME_TAG, "value": str(day)}]},
    }  # fmt: skip
    told = deployment.ask(LAUNCH, params=params)["launchPipelineExecution"]
    return str(told["run"]["runId"])


def failed_and_missing(deployment: Deployment, days: Sequence[date]) -> list[str]:
    """Returns the partitions that the UI selects when asked for failed and missing ones only."""
    nodes = deployment.ask(STATUSES, keys=EGRESS_ASSETS)["assetNodes"]
    green = [
        {
            str(day)
            for one in node["assetPartitionStatuses"]["ranges"]
            for day in days
            if one["status"] == "MATERIALIZED" and one["startKey"] <= str(day) <= one["endKey"]
        }
        for node in nodes
    ]
    return [str(day) for day in days if any(str(day) not in keys for keys in green)]


def backfill(deployment: Deployment, partitions: Sequence[str]) -> None:
    """Launches a backfill of the egress's assets, newest day first in the request."""
    params = {"assetSelection": EGRESS_ASSETS, "partitionNames": list(reversed(partitions))}
    told = deployment.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert told["__typename"] == "LaunchBackfillSuccess", told


def of_a_backfill(instance: dg.DagsterInstance, day: date) -> list[dg.DagsterRun]:
    """Returns the runs of a day that backfills have started."""
    return [run for run in runs_of(instance, day) if BACKFILL_ID_TAG in run.tags]


def is_all_delivered(world: World) -> bool:
    """Says whether the ledger has a receipt for every file."""
    days = [world.rehearsal.day(day, kind) for day in world.days for kind in KINDS]
    return all(day.delivery == "delivered" for day in days)


def test_a_backfill_of_the_ui_delivers_the_oldest_day_first_one_at_a_time(
    make_world: Callable[[Sequence[date]], World], rows: list[Row]
) -> None:
    row = Row("failed days and one that never ran, sent by a backfill of the UI")
    rows.append(row)
    world = make_world(SEVERAL)
    _fail(world, SEVERAL[:2])
    _dawn(world.rehearsal, SEVERAL[2])
    with deployed(world.settings, "daemon", "webserver") as (deployment, instance):
        for day in SEVERAL[:2]:
            eventually(partial(reconciled_after_failure, instance, day))
        selected = failed_and_missing(deployment, SEVERAL)
        assert selected == [str(day) for day in SEVERAL]
        backfill(deployment, selected)
        eventually(lambda: is_all_delivered(world))
        runs = [one.run_id for day in SEVERAL for one in of_a_backfill(instance, day)]
        assert len(runs) == len(SEVERAL)
        eventually(lambda: all(is_over(instance, run) for run in runs))
        spans = [_span(instance, run) for run in runs]
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    world.delivered_once(row)


def test_a_run_of_the_asset_page_that_is_killed_is_followed_like_any_other(
    make_world: Callable[[Sequence[date]], World], rows: list[Row]
) -> None:
    row = Row("SIGKILL of a run of the asset page, and of its retry")
    rows.append(row)
    world = make_world(DAYS[:1])
    (day,) = world.days
    _dawn(world.rehearsal, day)
    with deployed(world.settings, "daemon", "webserver") as (deployment, instance):
        with ExitStack() as held:
            for kind in KINDS:
                held.enter_context(world.rehearsal.pipeline.ledger.exclusive(kind))
            first = materialize(deployment, day)
            _kill_waiting(instance, first)
            retried = eventually(lambda: runs_of(instance, day)[1:])
            _kill_waiting(instance, retried[0].run_id)
        eventually(lambda: reconciled_after_failure(instance, day))
        eventually(lambda: world.failures() == 2 * len(KINDS))  # of each run that was killed
        materialize(deployment, day)
        eventually(lambda: is_all_delivered(world))
    world.delivered_once(row)


def test_daemon_and_code_server_may_die_in_the_middle_of_a_backfill(
    make_world: Callable[[Sequence[date]], World], rows: list[Row]
) -> None:
    row = Row("SIGKILL of daemon and code server in the middle of a backfill")
    rows.append(row)
    world = make_world(SEVERAL[:2])
    _fail(world, SEVERAL[:2])
    with deployed(world.settings, "daemon", "webserver") as (deployment, instance):
        backfill(deployment, [str(day) for day in world.days])
        for day in world.days:
            run = eventually(partial(_started_run, instance, day)) or ""
            deployment.kill("daemon", "code")
            deployment.start("code")
            deployment.start("daemon")
            eventually(partial(is_over, instance, run))
        eventually(lambda: is_all_delivered(world))
    world.delivered_once(row)


def _fail(world: World, days: Sequence[date]) -> None:
    """Has the store refuse the runs of some days; afterwards it takes them."""
    with Session(world.settings, world.rehearsal.pipeline, Clock(lambda: at(days[-1]))) as session:
        for day in days:
            _dawn(world.rehearsal, day)
            world.rehearsal.refuse(day)
            assert len(session.egress(day, NAMES).problems) == len(KINDS)
    world.rehearsal.refuse_nothing()


def _kill_waiting(instance: dg.DagsterInstance, run_id: str) -> None:
    """Ends a run at once that waits for a lock in its first step."""
    is_at_work = dg.DagsterEventType.STEP_START
    eventually(lambda: instance.get_records_for_run(run_id, of_type=is_at_work).records)
    for process in processes(instance, run_id):
        kill_process(process)
    eventually(lambda: is_over(instance, run_id))


def _started_run(instance: dg.DagsterInstance, day: date) -> str | None:
    runs = of_a_backfill(instance, day)
    started = [run for run in runs if run.status is dg.DagsterRunStatus.STARTED]
    return started[0].run_id if started else None


def _span(instance: dg.DagsterInstance, run_id: str) -> tuple[float, float]:
    record = instance.get_run_record_by_id(run_id)
    assert record
    assert record.start_time
    assert record.end_time
    return record.start_time, record.end_time
