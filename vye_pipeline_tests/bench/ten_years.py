"""What ten years in the ledger cost a question: the same one with them, a year and ten days."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import partial

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.context import Context
from vye_pipeline.ledger.connection import keep_statistics
from vye_pipeline.reporting.page.facts import DAYS_SHOWN
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.creation import create_tables
from vye_pipeline_tests.bench.pipeline import settle
from vye_pipeline_tests.bench.places import EMBEDDED, SERVER, opened
from vye_pipeline_tests.bench.processes import in_a_process, seconds
from vye_pipeline_tests.integration.daemon import Daemon, open_history
from vye_pipeline_tests.integration.years import put_days
from vye_pipeline_tests.variables import variables

HISTORIES = {"ten days": 10, "a year": DAYS_SHOWN, "ten years": 2_500}
SHORT, YEAR, LONG = HISTORIES
RECORDS = 20  # of a file
TIMES = 5
COMMANDS = ("status", "affected", "explain", "doctor", "report")
SENSORS = (
    "acknowledgements_arrive",
    "reconcile_after_failed_egress",
    "watch",
    "overdue_files",
)
SCHEDULES = ("egress_when_activated", "reconcile_unsettled", "retry_before_cut_off")
TICKS = SENSORS + SCHEDULES
Figures = dict[str, float]


def measure(
    histories: Sequence[int] = tuple(HISTORIES.values()),
    records: int = RECORDS,
    times: int = TIMES,
) -> Figures:
    """Times commands as whole processes, and each sensor's and schedule's tick.

    Args:
        histories: how many days each ledger has, until today.
        records: of a file.
        times: how often each is taken, in turn.

    Returns:
        Seconds of each command and tick by database and history, medians.
    """
    today = FEDERAL_CALENDAR.latest_business_day(datetime.now(UTC))
    days = [
        FEDERAL_CALENDAR.business_days_after(today, -number) for number in range(max(histories))
    ][::-1]
    figures: Figures = {}
    for place in (EMBEDDED, SERVER):
        with opened(place, ledgers=len(histories)) as worlds:
            settings = [one.model_copy(update={"start_date": days[0]}) for one in worlds]
            for one, count in zip(settings, histories, strict=True):
                in_a_process(_fill, one, days[-count:], records)
            timed = _commands(settings, today, times) | in_a_process(_ticks, settings, times)
            figures |= {f"{place.database}: {name}": taken for name, taken in timed.items()}
    return figures


def growth(figures: Figures, questions: Sequence[str]) -> float:
    """Returns how many times longer the one of some questions takes that has grown most.

    The page shows a year, so its time with ten years is compared with that.
    """
    return max(
        taken / figures[name.replace(LONG, YEAR if "report" in name else SHORT)]
        for name, taken in figures.items()
        if name.endswith(LONG) and any(f" {question}," in name for question in questions)
    )


def _fill(settings: Settings, days: Sequence[date], records: int) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    context = Context(settings)
    create_tables(context.vye.engine())
    with context.ledger.engine.begin() as connection:
        put_days(connection, days, records)
        keep_statistics(connection)  # as each claim and reconciliation does
    if context.ledger.engine.dialect.name == "postgresql":
        settle(context.ledger.engine)


def _commands(worlds: Sequence[Settings], day: date, times: int) -> Figures:
    asked = {
        f"{name}, {history}": partial(_run, settings, name, *([str(day)] * (name == "explain")))
        for name in COMMANDS
        for history, settings in zip(HISTORIES, worlds, strict=True)
    }
    return dict(zip(asked, seconds(*asked.values(), times=times), strict=True))


def _run(settings: Settings, *arguments: str) -> None:
    # By their exit codes doctor and status say that the store lacks what the ledger has.
    subprocess.run(
        [sys.executable, "-m", "vye_pipeline", *arguments],
        check=False,
        env=os.environ | variables(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ticks(worlds: Sequence[Settings], times: int) -> Figures:
    now = datetime.now(UTC)
    asked: dict[str, Callable[[], object]] = {}
    with ExitStack() as opened_instances:
        for history, settings in zip(HISTORIES, worlds, strict=True):
            instance = opened_instances.enter_context(open_history())
            daemon = Daemon(Context(settings), instance, now)
            asked |= {
                f"{name}, {history}": partial(look, name, now)
                for look, names in ((daemon.sensor, SENSORS), (daemon.requested, SCHEDULES))
                for name in names
            }
        for ask in asked.values():
            ask()  # warms, and leaves its cursor
        return dict(zip(asked, seconds(*asked.values(), times=times), strict=True))
