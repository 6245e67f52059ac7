"""The bench runs a whole day, verifies it, and accounts for its time."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from vye_pipeline_tests.bench import __main__ as bench
from vye_pipeline_tests.bench.run import measure
from vye_pipeline_tests.bench.stopwatch import STAGES

USERS = 1_000


def test_a_day_is_verified_and_every_stage_is_timed() -> None:
    measured = measure("sqlite", USERS)
    assert measured.records == USERS * 12 // 10
    assert set(measured.stages) == set(STAGES)
    whole = measured.egress_seconds + measured.reconcile_seconds
    assert 0 < sum(measured.stages.values()) < whole


def test_a_size_that_does_not_fit_is_refused_with_the_amount(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "DISK_BYTES_A_USER", 2**40)
    result = CliRunner().invoke(bench.main, ["--size", "1000000"])
    assert result.exit_code == 2
    assert "1000000 users need about 1048576000000 MiB" in result.output
