"""SIGKILL at every point of a day, then the same command again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.ledger.models import RECONCILIATIONS, REDELIVERIES
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import Day
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import Points, finish, in_a_fork, outcome
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds, Worlds

pytestmark = pytest.mark.long

DAY = DAYS[0]


def test_a_run_killed_anywhere_is_finished_by_the_next(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    which = {1: "each", 2: "every other"}.get(worlds.stride, f"every {worlds.stride}th")
    row = Row(f"SIGKILL at {which} commit, flush, put and ledger verb of a day ({worlds.name})")
    rows.append(row)

    def run(rehearsal: Rehearsal) -> None:
        rehearsal.egress(DAY)

    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        with points.watched():
            run(rehearsal)
    assert points.passed > 60
    for fatal in range(0, points.passed, worlds.stride):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:
            assert in_a_fork(killed(settings, fatal, run)) == signal.SIGKILL
            finish(settings, worlds.reference, row)


def standing(rehearsal: Rehearsal) -> list[Day]:
    """Returns how the day stands, but for fingerprints: each world has a key of its own."""
    return [replace(rehearsal.day(DAY, kind), fingerprint=None) for kind in KINDS]


def test_a_reconciliation_killed_anywhere_is_finished_by_the_next(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row("SIGKILL at each commit, flush and put of a reconciliation (SQLite)")
    rows.append(row)

    def reconcile(rehearsal: Rehearsal) -> None:
        for kind in KINDS:
            rehearsal.reconcile(DAY, kind, at(DAY, hours=3))

    def answered(settings: Settings) -> Rehearsal:
        rehearsal = Rehearsal.open(settings)
        rehearsal.egress(DAY)
        faults = Faults(reject=2, drop=2, garble=1)
        answer_partition(rehearsal.outage, DAY, faults, received_at=at(DAY, hours=2))
        return rehearsal

    points = Points()
    with sqlite_worlds.copy(tmp_path / "counted") as settings:
        rehearsal = answered(settings)
        with points.watched():
            reconcile(rehearsal)
        expected = standing(rehearsal)
    for fatal in range(points.passed):
        with sqlite_worlds.copy(tmp_path / f"trial{fatal}") as settings:
            answered(settings).pipeline.ledger.engine.dispose()
            assert in_a_fork(killed(settings, fatal, reconcile)) == signal.SIGKILL
            again = Rehearsal.open(settings)
            reconcile(again)
            assert standing(again) == expected
            with again.pipeline.ledger.transaction() as connection:
                history = connection.scalar(select(func.count()).select_from(RECONCILIATIONS))
            assert history == sum(day.export_ready + day.counts["unexpected"] for day in expected)
            outcome(again, sqlite_worlds.reference, row)
    assert (row.lost, row.twice) == (0, 0)


def test_a_redelivery_killed_anywhere_is_finished_by_the_next(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"SIGKILL at each commit, flush and put of a redelivery ({worlds.name})")
    rows.append(row)

    def again(rehearsal: Rehearsal) -> None:
        redeliver(
            rehearsal.pipeline,
            DAY,
            VERIFICATIONS,
            requested_by="operator",
            reason="BDN lost it",
            now=at(DAY, hours=4),
        )

    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        rehearsal.egress(DAY)
        with points.watched():
            again(rehearsal)
        expected = rehearsal.sent()
    assert len(expected) == len(KINDS) + 1
    for fatal in range(points.passed):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:
            first = Rehearsal.open(settings)
            first.egress(DAY)
            first.pipeline.ledger.engine.dispose()
            assert in_a_fork(killed(settings, fatal, again)) == signal.SIGKILL
            rehearsal = Rehearsal.open(settings)
            if rehearsal.pipeline.ledger.revision(DAY, VERIFICATIONS) == 1 or _is_open(rehearsal):
                again(rehearsal)
            outcome(rehearsal, expected, row)
    assert (row.lost, row.twice) == (0, 0)


def _is_open(rehearsal: Rehearsal) -> bool:
    """Says whether a redelivery is recorded and not finished: what an operator would repeat."""
    with rehearsal.pipeline.ledger.transaction() as connection:
        query = select(func.count()).where(REDELIVERIES.c.redelivered_at.is_(None))
        return bool(connection.scalar(query))


def killed(settings: Settings, fatal: int, work: Callable[[Rehearsal], None]) -> Callable[[], None]:
    """Returns work that dies at a point."""

    def run() -> None:
        rehearsal = Rehearsal.open(settings)
        assert rehearsal.pipeline.ledger
        with Points(fatal).watched():
            work(rehearsal)

    return run
