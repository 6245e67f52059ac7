"""Dagster's own cost: warm runs of a large day, of a small one, of nothing, and a backfill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from statistics import median
from time import perf_counter
from typing import Any

import dagster as dg

from vye_pipeline.business_days import business_days_after
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.jobs import (
    EGRESS_STAGES,
    OF_NO_KIND,
    RECONCILE_STAGES,
)
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import QUIET, Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline.world import World
from vye_pipeline_tests.bench.places import SERVER, opened
from vye_pipeline_tests.bench.processes import TIMES, in_a_process
from vye_pipeline_tests.bench.run import egress_of, reconcile_of
from vye_pipeline_tests.bench.world import DAY, activate, after_cut_off, fill

ALL = tuple(kind.name for kind in KINDS)
STEPS = (
    len(ALL) * len(EGRESS_STAGES),
    len(ALL) * len(RECONCILE_STAGES) + len(OF_NO_KIND),
)
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
        `empty runs` (as many steps that do nothing), `backfilled day`; and how large they were.
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
    return [business_days_after(first, number) if number else first for number in range(count)]


def _large_days(settings: Settings, days: Sequence[date]) -> dict[str, float]:
    """Runs days in turn with Dagster and without."""
    world = World(settings)
    with _session(settings, world, days) as session:
        with_dagster, without = _in_turn(
            days,
            lambda day: _run(session, day),
            lambda day: run_bare(world, day),
            before=lambda day: activate(world, day),
        )
    return {"large day": with_dagster, "bare functions": without}


def _small_days(
    settings: Settings, days: Sequence[date], backfilled: Sequence[date]
) -> dict[str, float]:
    """Runs small days and as many empty ones in turn, then the others as one backfill."""
    world = World(settings)
    jobs = [_empty_job(settings, steps) for steps in STEPS]
    doubled = [day for day in days for _ in range(2)]  # what does nothing takes no day of its own
    with _session(settings, world, backfilled) as session, open_instance(settings) as instance:
        small, empty = _in_turn(
            doubled,
            lambda day: _run(session, day),
            lambda day: _run_empty(jobs, instance, day),
            before=lambda day: activate(world, day),
        )
        activate(world, *backfilled)
        a_day = _backfill(session, backfilled)
    return {"small day": small, "empty runs": empty, "backfilled day": a_day}


def _in_turn(
    days: Sequence[date],
    one: Callable[[date], object],
    other: Callable[[date], object],
    *,
    before: Callable[[date], None],
) -> list[float]:
    """Times two ways to run days in turn, after a day of each to warm up.

    Returns:
        The median seconds of each.
    """
    taken: list[list[float]] = [[], []]
    for number, day in enumerate(days):
        before(day)
        began = perf_counter()
        (one, other)[number % 2](day)
        taken[number % 2].append(perf_counter() - began)
    return [median(mine[1:] or mine) for mine in taken]


def _backfill(session: Session, days: Sequence[date]) -> float:
    """Runs all days in one go, and returns the seconds a day."""
    began = perf_counter()
    outcomes = list(session.backfill(days, only_failed=False))
    taken = perf_counter() - began
    _succeed([problems for _, problems in outcomes])
    assert [day for day, _ in outcomes] == list(days)
    return taken / len(days)


def _session(settings: Settings, world: World, days: Sequence[date]) -> Session:
    return Session(settings, world, Clock(lambda: after_cut_off(days[-1])))


def _run(session: Session, day: date) -> None:
    _succeed([session.egress(day, ALL).problems, session.reconcile(day, ALL).problems])


def run_bare(world: World, day: date) -> None:
    """Runs a day without Dagster."""
    for work in (egress_of, reconcile_of):
        for kind in KINDS:
            work(world, kind, day)


def _succeed(problems: list[list[str]]) -> None:
    assert not any(problems), problems


def _empty_job(settings: Settings, steps: int) -> dg.JobDefinition:
    """Returns a job of so many assets that do nothing, partitioned as the pipeline's are."""
    partitions = business_day_partitions(settings)
    assets = [_nothing(f"nothing_{number}", partitions) for number in range(steps)]
    job = dg.define_asset_job("nothing", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, jobs=[job]).resolve_job_def("nothing")


def _nothing(name: str, partitions: dg.PartitionsDefinition[Any]) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=partitions)
    def nothing() -> None:
        """Does nothing."""

    return nothing


def _run_empty(jobs: list[dg.JobDefinition], instance: dg.DagsterInstance, day: date) -> None:
    for job in jobs:
        result = job.execute_in_process(
            partition_key=day.isoformat(), instance=instance, run_config=QUIET
        )
        assert result.success
