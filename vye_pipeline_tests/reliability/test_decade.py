"""All that happens in ten years (make decade), in a few weeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from vye_pipeline_tests.decade import page
from vye_pipeline_tests.decade.decade import Decade, settings_of
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.seasons import prepare

pytestmark = pytest.mark.long


class Weeks(Decade):
    """A decade whose rare events come early."""

    closures: Mapping[date, str] = {date(2016, 1, 21): "Day of mourning"}
    announced_late: Mapping[date, str] = {date(2016, 1, 27): "By order"}
    upgrades: Mapping[date, str] = {date(2016, 1, 13): "0016", date(2016, 2, 3): "0020"}
    retention_days = 15
    trouble, until_schema_change = 4, 10


def test_a_decade_in_weeks(tmp_path: Path, rows: list[Row]) -> None:
    settings = settings_of(tmp_path / "local", Weeks.closures)
    prepare(settings, Weeks.first)
    weeks = Weeks(settings, seed=1, days=32)
    outcome = weeks.run()
    assert outcome.faults == []
    happened = weeks.happened
    assert happened["upgrades of the ledger"] == 2
    assert happened["weeks without the daemon"] == 1
    assert happened["schema changes"] == 3
    assert happened["closures entered on the day"] == 1
    assert happened["snapshots that expired"] > 0
    (year,) = weeks.years
    text = page.text("make decade", weeks, outcome.faults)
    assert f"| {year.year} | {year.days} | {year.records} |" in text
    rows.append(Row("weeks with all that happens in ten years", trials=1))
