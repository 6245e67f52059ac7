"""SIGKILL at every point of a day, then the same command again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.trials import (
    Points,
    Row,
    all_delivered,
    copy_of,
    in_a_fork,
    outcome,
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(local_dir=tmp_path_factory.mktemp("prepared") / "local")
    Rehearsal.prepare(settings).dawn()
    return settings


def test_a_run_killed_anywhere_is_finished_by_the_next_on_sqlite(
    prepared: Settings, tmp_path: Path, rows: list[Row]
) -> None:
    whole = Rehearsal.open(copy_of(prepared, tmp_path / "whole"))
    points = Points()
    with points.watched():
        assert whole.egress(DAYS[0]) == []
    reference = {
        stored.key: whole.outage.get(stored.key) for stored in whole.outage.list("outbound/")
    }
    assert points.passed > 60
    row = Row("SIGKILL at each commit, flush and put of a day (SQLite, folder)")
    rows.append(row)
    for fatal in range(points.passed):
        settings = copy_of(prepared, tmp_path / f"trial{fatal}")

        def run(settings: Settings = settings, fatal: int = fatal) -> None:
            with Points(fatal).watched():
                Rehearsal.open(settings).egress(DAYS[0])

        assert in_a_fork(run) == signal.SIGKILL
        again = Rehearsal.open(settings)
        assert again.egress(DAYS[0]) == []
        assert all_delivered(again)
        assert again.flag(1) is None
        outcome(again, reference, row)
    assert (row.lost, row.twice) == (0, 0)
