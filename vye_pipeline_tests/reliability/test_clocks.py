"""Nights of another length, ends of years, a daemon that was off, and clocks that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from vye_pipeline.records import Kind
from vye_pipeline.settings import load_settings
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.seasons import Season, prepare

pytestmark = pytest.mark.long

NIGHTS = {
    "the night on which the clocks go forward": date(2025, 3, 6),
    "the night on which the clocks go back": date(2025, 10, 30),
    "the end of a year of 365 days": date(2025, 12, 29),
    "the end of a year of 366 days": date(2024, 12, 30),
    "a leap day": date(2024, 2, 27),
}
SKEWS = {
    "an hour ahead": timedelta(hours=1),
    "an hour behind": timedelta(hours=-1),
    "a day ahead": timedelta(days=1),
    "a day behind": timedelta(days=-1),
}


def outcome_of(season: type[Season], folder: Path, first: date, row: Row, seed: int = 0) -> Season:
    """Runs a season that begins on a day; nothing may go wrong in it."""
    settings = load_settings(local_dir=folder / "local", start_date=first)
    prepare(settings, first)
    season.first = first
    ran = season(settings, seed)
    outcome = ran.run()
    row.trials += 1
    row.lost += sum("claimed" in fault or "deleted" in fault for fault in outcome.faults)
    assert outcome.faults == []
    assert outcome.deliveries > 0
    return ran


@pytest.mark.parametrize("night", NIGHTS)
def test_days_about_a_night(night: str, tmp_path: Path, rows: list[Row]) -> None:
    class About(Season):
        """A season about a night."""

    row = Row(f"days about {night}")
    rows.append(row)
    ran = outcome_of(About, tmp_path, NIGHTS[night], row)
    names = {key.rsplit("/", 1)[1] for key in ran.rehearsal.sent() if "vawave" in key}
    if "366" in night:
        assert {"vawave366", "vawave002"} <= names
    elif "365" in night:
        assert {"vawave365", "vawave002"} <= names


def test_the_daemon_is_off_for_a_week_and_then_back(tmp_path: Path, rows: list[Row]) -> None:
    class Off(Season):
        """A season of which the daemon sees the end only."""

        days, quiet_days = 7, 4

        def _begin(self, day: date, *, is_down: bool, is_out: bool) -> None:  # noqa: ARG002
            super()._begin(day, is_down=day < self.first + timedelta(days=7), is_out=False)

        def _run(self, day: date, kind: Kind, *, is_put: bool) -> None:
            order.append(day)
            super()._run(day, kind, is_put=is_put)

    order: list[date] = []
    row = Row("the daemon is off for a week")
    rows.append(row)
    outcome_of(Off, tmp_path, date(2025, 5, 5), row)
    caught_up = order[: order.index(max(order))]
    assert caught_up == sorted(caught_up), "oldest first"


@pytest.mark.parametrize("skew", SKEWS)
def test_a_machine_whose_clock_is_wrong_for_days(
    skew: str, tmp_path: Path, rows: list[Row]
) -> None:
    class Wrong(Season):
        """A season in whose first days the pipeline believes its clock."""

        def _believe(self, does: Callable[[], None]) -> None:
            is_wrong = self.now.date() < self.first + timedelta(days=5)
            true, self.now = self.now, self.now + (SKEWS[skew] if is_wrong else timedelta())
            does()
            self.now = true

        def _look(self) -> None:
            self._believe(super()._look)

        def _retry(self, day: date, states: set[str]) -> None:
            look = super()._retry
            self._believe(lambda: look(day, states))

    row = Row(f"a clock that is {skew} for days")
    rows.append(row)
    for seed in range(3):
        outcome_of(Wrong, tmp_path / str(seed), date(2025, 5, 5), row, seed)
    assert row.lost == 0
