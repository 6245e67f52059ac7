"""Dagster's daemon, one tick at a time, at the times a test says, on an instance of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import dagster as dg

from vye_pipeline.alerting.metrics import Metrics
from vye_pipeline.alerting.notifier import Notifier
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.orchestration.jobs import EGRESS, RECONCILE
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import QUIET


class Daemon:
    """Evaluates schedules and sensors as the daemon does, and runs what they request at once."""

    def __init__(
        self,
        pipeline: Context,
        instance: dg.DagsterInstance,
        now: datetime,
        notifier: Notifier | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Takes the pipeline, and the time to begin with."""
        self.now = now
        self.instance = instance
        clock = Clock(lambda: self.now)
        self.definitions = build_definitions(pipeline, clock, notifier, metrics)
        self._repository = self.definitions.get_repository_def()
        self._resources: dict[str, Any] = {
            "clock": clock,
            "notifier": notifier or Notifier(),
            "metrics": metrics or Metrics(),
        }
        self._cursors: dict[str, str | None] = {}
        self._run_keys: set[str | None] = set()

    def schedule(self, name: str, now: datetime) -> list[dg.ExecuteInProcessResult]:
        """Evaluates a schedule and returns the runs."""
        job = self._repository.get_schedule_def(name).job_name
        return self._run(job, self._tick(name, now).run_requests or [])

    def skipped(self, name: str, now: datetime) -> str:
        """Evaluates a schedule that requests nothing, and returns why."""
        tick = self._tick(name, now)
        assert not tick.run_requests
        return tick.skip_message or ""

    def _tick(self, name: str, now: datetime) -> Any:
        self.now = now
        context = dg.build_schedule_context(
            self.instance, repository_def=self._repository, scheduled_execution_time=now
        )
        return self._repository.get_schedule_def(name).evaluate_tick(context)

    def sensor(self, name: str, now: datetime) -> list[dg.ExecuteInProcessResult]:
        """Evaluates a sensor with the cursor that it left the last time."""
        self.now = now
        context = dg.build_sensor_context(
            self.instance,
            cursor=self._cursors.get(name),
            repository_def=self._repository,
            resources=self._resources,
        )
        tick = self._repository.get_sensor_def(name).evaluate_tick(context)
        self._cursors[name] = tick.cursor
        return self._run(RECONCILE, tick.run_requests or [])

    def after_failure(
        self, failed: dg.ExecuteInProcessResult, now: datetime
    ) -> list[dg.ExecuteInProcessResult]:
        """Tells the sensor of failed runs of one."""
        self.now = now
        events = self.instance.get_records_for_run(
            failed.run_id, of_type=dg.DagsterEventType.RUN_FAILURE
        ).records
        event = events[0].event_log_entry.dagster_event
        assert event is not None
        context = dg.build_run_status_sensor_context(
            "reconcile_after_failed_egress",
            event,
            self.instance,
            failed.dagster_run,
            resources=self._resources,
        ).for_run_failure()
        request = self._repository.get_sensor_def("reconcile_after_failed_egress")(context)
        assert isinstance(request, dg.RunRequest)
        return self._run(RECONCILE, [request])

    def egress(self, partition_key: str, now: datetime) -> dg.ExecuteInProcessResult:
        """Runs the egress, as from the UI."""
        self.now = now
        return self._run(EGRESS, [dg.RunRequest(partition_key=partition_key)])[0]

    def _run(self, job: str, requests: Iterable[dg.RunRequest]) -> list[dg.ExecuteInProcessResult]:
        runs = []
        for request in requests:
            if request.run_key in self._run_keys:
                continue
            self._run_keys |= {request.run_key} - {None}
            runs.append(
                self.definitions.resolve_job_def(job).execute_in_process(
                    partition_key=request.partition_key,
                    instance=self.instance,
                    asset_selection=request.asset_selection,
                    raise_on_error=False,
                    run_config=QUIET,
                )
            )
        return runs
