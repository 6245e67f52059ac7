"""Dagster's daemon, one tick at a time, at the times a test says, on an instance of its own.

As in Dagster a sensor's run key starts one run for ever, and a schedule's run key keeps nothing
from being started by its next tick. There is no queue here: reliability/test_dagster.py has one.
"""

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


def open_history() -> dg.DagsterInstance:
    """Opens an instance in a folder of its own, as schedules and sensors can refer to one."""
    return dg.DagsterInstance.local_temp(overrides={"telemetry": {"enabled": False}})


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
        self._run_keys: set[tuple[str, str]] = set()

    def schedule(self, name: str, now: datetime) -> list[dg.ExecuteInProcessResult]:
        """Evaluates a schedule and returns the runs."""
        job = self._repository.get_schedule_def(name).job_name
        return self._run(job, self._tick(name, now).run_requests or [])

    def requested(self, name: str, now: datetime) -> list[dg.RunRequest]:
        """Evaluates a schedule and returns what it requests, without running it."""
        return list(self._tick(name, now).run_requests or [])

    def cursor(self, name: str) -> str | None:
        """Returns what a sensor keeps between two ticks."""
        return self._cursors.get(name)

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
        for event in tick.asset_events:
            self.instance.report_runless_asset_event(event)
        requests = [
            request
            for request in tick.run_requests or []
            if request.run_key is None or (name, request.run_key) not in self._run_keys
        ]
        self._run_keys |= {(name, request.run_key) for request in requests if request.run_key}
        return self._run(RECONCILE, requests)

    def egress(self, partition_key: str, now: datetime) -> dg.ExecuteInProcessResult:
        """Runs the egress, as from the UI."""
        self.now = now
        return self._run(EGRESS, [dg.RunRequest(partition_key=partition_key)])[0]

    def _run(self, job: str, requests: Iterable[dg.RunRequest]) -> list[dg.ExecuteInProcessResult]:
        return [
            self.definitions.resolve_job_def(job).execute_in_process(
                partition_key=request.partition_key,
                instance=self.instance,
                asset_selection=request.asset_selection,
                raise_on_error=False,
                run_config=QUIET,
            )
            for request in requests
        ]
