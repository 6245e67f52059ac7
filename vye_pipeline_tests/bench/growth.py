"""What a year of days leaves in each store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.bench.dagster_runs import ALL, RunsOfDays, days_from
from vye_pipeline_tests.bench.pipeline import DAY, after_cut_off, fill
from vye_pipeline_tests.bench.places import EMBEDDED, opened
from vye_pipeline_tests.bench.processes import in_a_process

USERS = 20_000
DAYS = 4
A_YEAR = 250  # business days
TICKS = 2_000
MEGABYTE = 1_000_000
STORES = {
    "ledger": "ledger.db*",
    "snapshots": "snapshots/**/*",
    "object store": "objects/**/*",
    "Dagster's runs": "dagster/**/*",
}


def measure(users: int = USERS, days: int = DAYS, ticks: int = TICKS) -> dict[str, float]:
    """Measures what days leave on SQLite and folders, and counts it up to a year.

    Args:
        users: who verify each day; one in ten changes the bank account and the address.
        days: how many run and are answered; the first one isn't counted.
        ticks: how many are kept, to see what one takes.

    Returns:
        `megabytes a year` by store, and `bytes` of a tick of Dagster's daemon.
    """
    with opened(EMBEDDED) as (settings,):
        some = days_from(DAY, days)
        in_a_process(fill, settings, users, some)
        grown = in_a_process(_grown, settings, some)
        return {
            "users": users,
            **{f"{name}, megabytes a year": grown[name] * A_YEAR / MEGABYTE for name in STORES},
            "a tick, bytes": in_a_process(_of_ticks, settings, ticks),
        }


def _grown(settings: Settings, days: Sequence[date]) -> dict[str, float]:
    """Returns the bytes that each day leaves in each store."""
    runs, sizes = RunsOfDays.of(settings), []
    with runs.session:
        for day in days:
            runs.begin(day)
            runs.session.egress(day, ALL)
            answered = after_cut_off(day) + timedelta(hours=1)
            answer_partition(runs.pipeline.objects, day, Faults(), received_at=answered)
            runs.session.reconcile(day, ALL)
            sizes.append(_sizes(settings.folder))
    first, last = sizes[0], sizes[-1]
    return {name: (last[name] - first[name]) / (len(days) - 1) for name in STORES}


def _of_ticks(settings: Settings, count: int) -> float:
    with open_instance(settings) as instance:
        before = _sizes(settings.folder)["Dagster's runs"]
        for number in range(count):
            _keep(instance, number)
    return (_sizes(settings.folder)["Dagster's runs"] - before) / count


def _keep(instance: dg.DagsterInstance, number: int) -> None:
    """Keeps a tick of a sensor that had nothing to do, as the daemon does."""
    instance.create_tick(
        TickData(
            instigator_origin_id="watch",
            instigator_name="watch",
            instigator_type=InstigatorType.SENSOR,
            status=TickStatus.SKIPPED,
            timestamp=float(number),
            skip_reason="there is nothing that people have to know",
            cursor="{}",
            selector_id="watch",
        )
    )


def _sizes(folder: Path) -> Mapping[str, int]:
    return {
        name: sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
        for name, pattern in STORES.items()
    }
