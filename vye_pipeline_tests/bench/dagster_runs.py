"""Dagster's own cost: warm runs of a large day, of a small one, of nothing, and a backfill.

Each day is run at its own time, as the schedule does; a backfill at the time of its last day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from time import perf_counter
from typing import Any

import dagster as dg

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.jobs import EGRESS, RECONCILE
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import QUIET, Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.bench.pipeline import DAY, activate, after_cut_off, fill
from vye_pipeline_tests.bench.places import SERVER, opened
from vye_pipeline_tests.bench.processes import TIMES, in_a_process
from vye_pipeline_tests.bench.run import egress_of, reconcile_of

ALL = tuple(kind.name for kind in KINDS)
LARGE, SMALL = 83_334, 334  # users: 100,000 and 400 records
BACKFILL = 30


def measure(
    large: int = LARGE, small: int = SMALL, backfill: int = BACKFILL, times: int = TIMES
) -> dict[str, float]:
    """Times runs on PostgreSQL.

    Args:
        large: users of a large day.
        small: users of a small day.
        backfill: how many small days are run at once.
        times: how many days of each are timed, after one to warm up.

    Returns:
        Seconds: `large day`, `bare functions` (the same without Dagster), `small day`,
        `empty runs` (the same steps and checks, which do nothing), `empty runs without checks`,
        `backfilled day`; and how large they were.
    """
    with opened(SERVER, ledgers=2) as (of_large, of_small):
        pairs, some = days_from(DAY, 2 * (1 + times)), days_from(DAY, 1 + times + backfill)
        in_a_process(fill, of_large, large, pairs)
        in_a_process(fill, of_small, small, some)
        return {
            "large day's users": large,
            "small day's users": small,
            "days": backfill,
            **in_a_process(_large_days, of_large, pairs),
            **in_a_process(_small_days, of_small, some[: 1 + times], some[1 + times :]),
        }


def days_from(first: date, count: int) -> list[date]:
    """Returns so many business days."""
    return [
        FEDERAL_CALENDAR.business_days_after(first, number) if number else first
        for number in range(count)
    ]


@dataclass
class RunsOfDays:
    """Runs days with Dagster and without, each at its own time."""

    pipeline: Context
    session: Session
    clock: _Clock

    @classmethod
    def of(cls, settings: Settings) -> RunsOfDays:
        pipeline, clock = Context(settings), _Clock(DAY)
        return cls(
            pipeline, Session(settings, pipeline, Clock(lambda: after_cut_off(clock.day))), clock
        )

    def begin(self, *days: date) -> None:
        """Lets VYE's clones of some days be ready, and the last of them be today."""
        activate(self.pipeline, *days)
        self.clock.day = days[-1]

    def with_dagster(self, day: date) -> None:
        for step in (self.session.egress, self.session.reconcile):
            _succeed([step(day, ALL).problems])

    def without(self, day: date) -> None:
        run_bare(self.pipeline, day)


@dataclass
class _Clock:
    """Which day it is."""

    day: date


def _large_days(settings: Settings, days: Sequence[date]) -> dict[str, float]:
    """Runs days in turn with Dagster and without."""
    runs = RunsOfDays.of(settings)
    with runs.session:
        taken = _in_turn(days, [runs.with_dagster, runs.without], before=runs.begin)
    return dict(zip(("large day", "bare functions"), taken, strict=True))


def _small_days(
    settings: Settings, days: Sequence[date], backfilled: Sequence[date]
) -> dict[str, float]:
    """Runs small days and empty ones in turn, then the others as one backfill."""
    runs = RunsOfDays.of(settings)
    checked, unchecked = (
        _empty_jobs(runs.pipeline, with_checks=checks) for checks in (True, False)
    )
    with runs.session, open_instance(settings) as instance:
        ways = [
            runs.with_dagster,
            lambda day: _run_empty(checked, instance, day),
            lambda day: _run_empty(unchecked, instance, day),
        ]
        # What does nothing takes no day of its own.
        taken = _in_turn([day for day in days for _ in ways], ways, before=runs.begin)
        runs.begin(*backfilled)
        a_day = _backfill(runs.session, backfilled)
    names = ("small day", "empty runs", "empty runs without checks")
    return {**dict(zip(names, taken, strict=True)), "backfilled day": a_day}


def _in_turn(
    days: Sequence[date],
    ways: Sequence[Callable[[date], object]],
    *,
    before: Callable[[date], None],
) -> list[float]:
    """Times some ways to run days in turn, after a day of each to warm up.

    Returns:
        The median seconds of each.
    """
    taken: list[list[float]] = [[] for _ in ways]
    for number, day in enumerate(days):
        before(day)
        began = perf_counter()
        ways[number % len(ways)](day)
        taken[number % len(ways)].append(perf_counter() - began)
    return [median(mine[1:] or mine) for mine in taken]


def _backfill(session: Session, days: Sequence[date]) -> float:
    """Runs all days in one go, and returns the seconds a day."""
    began = perf_counter()
    outcomes = list(session.backfill(days, only_failed=False))
    taken = perf_counter() - began
    _succeed([problems for _, problems in outcomes])
    assert [day for day, _ in outcomes] == list(days)
    return taken / len(days)


def run_bare(pipeline: Context, day: date) -> None:
    """Runs a day without Dagster."""
    for work in (egress_of, reconcile_of):
        for kind in KINDS:
            work(pipeline, kind, day)


def _succeed(problems: list[list[str]]) -> None:
    assert not any(problems), problems


def _empty_jobs(pipeline: Context, *, with_checks: bool) -> list[dg.JobDefinition]:
    """Returns the pipeline's jobs with its assets and what depends on what; they do nothing."""
    definitions = build_definitions(pipeline)
    graph = definitions.resolve_asset_graph()
    partitions = business_day_partitions(pipeline.settings)
    steps = {
        name: definitions.resolve_job_def(name).asset_layer.executable_asset_keys
        for name in (EGRESS, RECONCILE)
    }
    empty = dg.Definitions(
        assets=[
            _nothing(graph.get(key), partitions, with_checks=with_checks)
            for key in graph.materializable_asset_keys
        ],
        jobs=[
            dg.define_asset_job(
                name,
                selection=dg.AssetSelection.assets(*map(_renamed, keys)),
                executor_def=dg.in_process_executor,
            )
            for name, keys in steps.items()
        ],
    )
    return [empty.resolve_job_def(name) for name in steps]


def _renamed(key: dg.AssetKey) -> dg.AssetKey:
    """Returns the key of what does nothing in an asset's place."""
    return key.with_prefix("nothing")


def _nothing(
    node: Any, partitions: dg.PartitionsDefinition[Any], *, with_checks: bool
) -> dg.AssetsDefinition:
    """Returns an asset that does nothing, in the place of a node of the pipeline's graph."""
    key = _renamed(node.key)
    names = [check.name for check in node.check_keys] if with_checks else []

    @dg.asset(
        key=key,
        deps=[_renamed(parent) for parent in node.parent_keys],
        partitions_def=partitions,
        check_specs=[dg.AssetCheckSpec(one, asset=key, partitions_def=partitions) for one in names],
    )
    def nothing() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        """Does nothing."""
        return dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(check_name=one, passed=True) for one in names]
        )

    return nothing


def _run_empty(jobs: list[dg.JobDefinition], instance: dg.DagsterInstance, day: date) -> None:
    for job in jobs:
        result = job.execute_in_process(
            partition_key=day.isoformat(), instance=instance, run_config=QUIET
        )
        assert result.success
