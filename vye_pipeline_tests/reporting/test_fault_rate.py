"""A day is unusual when chance doesn't explain it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.reporting.fault_rate import (
    LEAST_DAYS,
    Faults,
    is_unusually_high,
    is_usual,
    usual_rate,
)


def test_the_usual_rate_is_that_of_all_lines_together() -> None:
    days = [Faults(1, 10), Faults(0, 90), *[Faults(1, 100)] * 3]
    assert usual_rate(days) == 4 / 400


def test_few_days_or_none_with_lines_say_nothing() -> None:
    assert usual_rate([Faults(9, 10)] * (LEAST_DAYS - 1)) is None
    assert usual_rate([Faults(0, 0)] * LEAST_DAYS) is None
    assert is_usual(Faults(10, 10), None)
    assert not is_unusually_high(Faults(10, 10), None)


@given(lines=st.integers(0, 100_000), rejected=st.integers(0, 100))
def test_a_day_at_the_usual_rate_is_usual(lines: int, rejected: int) -> None:
    assert is_usual(Faults(lines * rejected // 100, lines), rejected / 100)


def test_far_above_and_far_below_are_unusual() -> None:
    assert not is_usual(Faults(100, 1_000), 0.01)
    assert not is_usual(Faults(0, 10_000), 0.05)
    assert is_usual(Faults(3, 10), 0.0), "a few lines are no sign of anything"
    assert not is_usual(Faults(400, 400), 0.02), "a refused file"


@given(records=st.integers(0, 100_000), faults=st.integers(0, 100_000), percent=st.integers(0, 100))
def test_unusually_high_is_unusual_and_above_the_rate(
    records: int, faults: int, percent: int
) -> None:
    day, rate = Faults(min(faults, records), records), percent / 100
    assert is_unusually_high(day, rate) == (
        not is_usual(day, rate) and day.fault_count > records * rate
    )
