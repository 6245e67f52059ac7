"""Runs of the jobs in this process, recorded in Dagster's instance like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Self

import dagster as dg

from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.orchestration.assets.reconciliation import WELL_FORMED
from vye_pipeline.orchestration.instance import dagster_storage, open_instance
from vye_pipeline.orchestration.jobs import (
    EGRESS,
    EGRESS_STAGES,
    OF_NO_KIND,
    RECONCILE,
    RECONCILE_STAGES,
    asset_keys,
)
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.reporting.calendar import FAILED, MISSING, calendar
from vye_pipeline.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_id: in Dagster's instance.
        problems: one text for each failed step and each failed check that stops a command.
    """

    run_id: str
    problems: list[str]


class Session:
    """Dagster's definitions and instance for some settings, opened once for many runs."""

    def __init__(
        self, settings: Settings, pipeline: Context | None = None, clock: Clock | None = None
    ) -> None:
        """Takes the settings, and a pipeline and clock where they are not the real ones."""
        self.pipeline = pipeline or Context(settings)
        self._definitions = build_definitions(self.pipeline, clock)
        self._opened = ExitStack()
        self._instance = self._opened.enter_context(open_instance(settings))

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes Dagster's instance."""
        self._opened.close()

    def egress(self, partition_date: date, kinds: Sequence[str]) -> Outcome:
        """Runs the egress of some kinds of a partition."""
        return self._run(EGRESS, partition_date, asset_keys(EGRESS_STAGES, tuple(kinds)))

    def reconcile(self, partition_date: date, kinds: Sequence[str]) -> Outcome:
        """Runs the reconciliation of some kinds of a partition, and its worklist."""
        keys = [*asset_keys(RECONCILE_STAGES, tuple(kinds)), *OF_NO_KIND]
        return self._run(RECONCILE, partition_date, keys)

    def backfill(
        self, days: Sequence[date], *, only_failed: bool
    ) -> Iterator[tuple[date, list[str]]]:
        """Runs the egress of the days that need it, oldest first, then reconciles them.

        Args:
            days: the partitions to look at, oldest first.
            only_failed: leave those alone that never ran.

        Yields:
            Each partition that was run, with its problems.
        """
        wanted = {FAILED} if only_failed else {FAILED, MISSING}
        known = self.pipeline.ledger.read(lambda connection: calendar(connection, days))
        rows = [row for row in known if row.delivery in wanted]
        for day, group in groupby(rows, key=lambda row: row.partition_date):
            kinds = [row.kind for row in group]
            egress = self.egress(day, kinds)
            reconciled = self.reconcile(day, kinds)
            yield day, egress.problems + reconciled.problems

    def _run(self, job: str, partition_date: date, keys: list[dg.AssetKey]) -> Outcome:
        with dagster_storage():
            result = self._definitions.resolve_job_def(job).execute_in_process(
                partition_key=partition_date.isoformat(),
                instance=self._instance,
                asset_selection=keys,
                raise_on_error=False,
                run_config=QUIET,
            )
        failed = [_failure_text(event) for event in result.all_events if event.is_step_failure]
        refused = [
            evaluation.description or evaluation.check_name
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed and evaluation.check_name == WELL_FORMED
        ]
        return Outcome(result.run_id, failed + refused)


def _failure_text(event: dg.DagsterEvent) -> str:
    data: Any = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    if data.error and data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return f"{event.step_key}: interrupted; the same command takes up where it stopped"
    return f"{event.step_key}: {data.error.cls_name if data.error else 'failed'}"
