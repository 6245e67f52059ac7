"""SIGKILL at every point of a day, then the same command again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.trials import Points, Row, finish, in_a_fork
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

DAY = DAYS[0]


def test_a_run_killed_anywhere_is_finished_by_the_next(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"SIGKILL at each commit, flush, put and ledger verb of a day ({worlds.name})")
    rows.append(row)
    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        with points.watched():
            assert rehearsal.egress(DAY) == []
    assert points.passed > 60
    for fatal in range(points.passed):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:

            def run(settings: Settings = settings, fatal: int = fatal) -> None:
                rehearsal = Rehearsal.open(settings)
                with Points(fatal).watched():
                    rehearsal.egress(DAY)

            assert in_a_fork(run) == signal.SIGKILL
            finish(settings, worlds.reference, row)
