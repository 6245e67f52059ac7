"""The bench runs whole days, verifies them, and accounts for their time; none is asserted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.settings import Settings
from vye_pipeline_tests.bench import __main__ as bench
from vye_pipeline_tests.bench import (
    analysts_page,
    dagster_runs,
    feed,
    growth,
    history,
    machine,
    page,
    production,
    rivals,
    scale,
    start_up,
    ten_years,
)
from vye_pipeline_tests.bench.pipeline import DAY
from vye_pipeline_tests.bench.places import EMBEDDED, PLACES, SERVER, places_for
from vye_pipeline_tests.bench.processes import in_a_process
from vye_pipeline_tests.bench.stopwatch import STAGES, THE_REST
from vye_pipeline_tests.bench.targets import TARGETS, outcomes, usual_size

pytestmark = pytest.mark.long

USERS = 1_000
SPAWNING = (bench, dagster_runs, history, production, rivals, start_up)


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    """Measures nothing apart: fresh processes are for figures, and take their time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in SPAWNING:
            patch.setattr(module, "in_a_process", lambda work, *arguments: work(*arguments))
        yield


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """A day on PostgreSQL and S3, with what stands beside it, and one on SQLite and a folder."""
    return {
        "command": "make bench",
        "machine": machine.description(),
        "days": [
            bench.measure_day(place, USERS, with_rivals=place != EMBEDDED)
            for place in PLACES
            if place != SERVER
        ],
        "row by row": bench.measure_row_by_row(USERS),
    }


def test_every_stage_is_timed_and_the_stages_are_the_whole(measured: dict[str, Any]) -> None:
    for one in measured["days"]:
        assert one["records"] == USERS * 12 // 10
        stages = {name for step in page.STEPS for name in one[step]["stages"]}
        assert stages == set(STAGES)
        for step in page.STEPS:
            parts = one[step]["stages"].values()
            assert sum(part["seconds"] for part in parts) == pytest.approx(one[step]["seconds"])
            assert all(0 < part["peak_bytes"] <= one[step]["peak_bytes"] for part in parts)


def test_every_stage_has_a_floor(measured: dict[str, Any]) -> None:
    for one in measured["days"]:
        for step in page.STEPS:
            assert set(one["floors"][step]) == set(one[step]["stages"]) - {THE_REST}
            assert all(taken > 0 for taken in one["floors"][step].values())
        assert one["identity"]["floor"] > 0


def test_the_row_by_row_writer_writes_the_same(measured: dict[str, Any]) -> None:
    assert measured["row by row"]["records"] == USERS * 12 // 10


def test_the_page_holds_every_stage_and_target(measured: dict[str, Any], tmp_path: Path) -> None:
    page.write(measured, tmp_path)
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    for stage in (*STAGES, "identity"):
        assert f": {stage} |" in text or f", {stage} |" in text, stage
    for outcome in outcomes(measured):
        words, limit, figure, _ = outcome.in_words
        assert f"| {words} | {limit} | {figure} |" in text
    plots = {file.name for file in (tmp_path / "performance").glob("*.svg")}
    assert plots == {page.STAGES_PLOT, page.SIZES_PLOT}
    kept = json.loads((tmp_path / "performance" / page.DATA).read_text(encoding="utf-8"))
    assert kept == measured


def test_what_was_not_measured_is_said(measured: dict[str, Any]) -> None:
    unmeasured = [one.target.words for one in outcomes(measured) if one.figure is None]
    assert len(unmeasured) == sum(
        any(
            word in target.words
            for word in (
                *("Dagster", "dagster", "history", "empty", "largest", "KMS"),
                *("vye report", "that page", "a filter", "ten years", "feed"),
            )
        )
        or "backfill" in target.words
        for target in TARGETS
    )


def test_larger_days_lie_on_the_line_of_the_measured_ones() -> None:
    days = [
        {
            "place": str(SERVER),
            "records": records,
            "egress": {"seconds": 1 + records / 1e5, "peak_bytes": 2**30 + records},
            "reconcile": {"seconds": records / 2e5, "peak_bytes": 2**30},
        }
        for records in (100_000, 1_000_000)
    ]
    text = scale.text({"machine": {"cores": "2"}, "days": days})
    assert text is not None
    assert "| 1,000,000 | 11 s | 5 s | 1.0 GiB | 3 min / 115 s / 115 s |" in text
    assert "| 100,000,000 | refused |" in text
    assert scale.text({"machine": {}, "days": days[:1]}) is None


def test_history_is_put_and_days_run_beside_it() -> None:
    assert history.measure(users=100, records=1_000, times=0)["with"] > 0


@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
def test_dagster_runs_succeed() -> None:
    figures = dagster_runs.measure(large=100, small=50, backfill=1, times=0)
    assert all(taken > 0 for taken in figures.values())
    assert dagster_runs.days_from(DAY, 2) == [DAY, FEDERAL_CALENDAR.business_days_after(DAY, 1)]


def test_a_day_in_productions_shape_asks_kms_once_a_row() -> None:
    figures = production.measure(rows=60, latency=0)
    assert figures["KMS calls"] == figures["rows"] == 60


def test_the_page_is_written_and_filtered() -> None:
    figures = analysts_page.measure(records=1, times=1)
    assert figures["open items"] == 3 * figures["days"]
    assert figures["milliseconds"] > 0


def test_ten_years_are_put_and_questions_asked_beside_ten_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ten_years, "COMMANDS", ten_years.COMMANDS[:1])  # a process each
    figures = ten_years.measure(histories=(1, 2, 3), records=1, times=1)
    assert len(figures) == 2 * 3 * len((*ten_years.COMMANDS, *ten_years.TICKS))
    assert ten_years.growth(figures, ten_years.COMMANDS) > 0


def test_every_sensor_and_schedule_is_timed_with_ten_years(embedded: Settings) -> None:
    repository = build_definitions(Context(embedded)).get_repository_def()
    assert {one.name for one in repository.sensor_defs} == set(ten_years.SENSORS)
    assert {one.name for one in repository.schedule_defs} == set(ten_years.SCHEDULES)


def test_the_feed_is_read_beside_a_bare_split() -> None:
    figures = feed.measure(lines=1_500, times=1)
    assert figures["ours"] > 0
    assert figures["bare"] > 0


def test_what_days_leave_is_measured() -> None:
    figures = growth.measure(users=100, days=2, ticks=10)
    assert all(figures[f"{store}, megabytes a year"] > 0 for store in growth.STORES)
    assert figures["a tick, bytes"] >= 0


def test_imports_and_commands_are_timed() -> None:
    assert set(start_up.measure(times=1)) == set(start_up.PROCESSES)


def test_a_size_that_does_not_fit_the_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DISK_BYTES_A_USER", 2**40)
    result = CliRunner().invoke(bench.main, ["--size", "1000000"])
    assert result.exit_code == 2
    assert "1000000 users need about 1048576000000 MiB of disk" in result.output


def test_a_size_that_does_not_fit_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_meminfo", {"MemAvailable": 2**30}.get)
    result = CliRunner().invoke(bench.main, ["--size", "1000000"])
    assert result.exit_code == 2
    assert "1000000 users need about 3384 MiB of memory, 1024 are free" in result.output


def test_a_figure_comes_from_a_process_of_its_own() -> None:
    assert in_a_process(os.getpid) != os.getpid()


def test_places_are_told_apart() -> None:
    assert len({str(place) for place in PLACES}) == len(PLACES)
    assert {SERVER, EMBEDDED} < set(PLACES)


def test_what_is_asked_for_its_growth_only_is_measured_on_the_server() -> None:
    assert places_for(1_000_000) == PLACES
    assert places_for(5_000_000) == (SERVER,)
    days = [{"users": users} for users in (5_000_000, 10_000, 1_000_000)]
    assert usual_size({"days": days}) == 1_000_000
    assert usual_size({"days": days[:1]}) == 5_000_000
