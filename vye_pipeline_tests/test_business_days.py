"""BDN's calendar, on the days on which calendars go wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.business_days import (
    business_days,
    business_days_after,
    cut_off,
    deadline,
    holiday_name,
    holidays_of_year,
    is_business_day,
    latest_business_day,
    previous_cut_off,
)

DAYS = st.dates(date(2024, 1, 1), date(2035, 12, 31))


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2021, 12, 31), "New Year's Day (observed)"),
        (date(2026, 7, 3), "Independence Day (observed)"),
        (date(2025, 6, 19), "Juneteenth National Independence Day"),
        (date(2025, 11, 27), "Thanksgiving Day"),
    ],
)
def test_holidays_are_left_out_as_observed(day: date, name: str) -> None:
    assert holiday_name(day) == name
    assert not is_business_day(day)


def test_the_holidays_of_each_year_are_those_that_others_know() -> None:
    for year in range(1986, 2101):
        assert holidays_of_year(year) == dict(holidays.country_holidays("US", years=year).items())


@pytest.mark.parametrize("year", [date.min.year, date.max.year])
def test_no_year_is_too_far_away_to_be_asked_about(year: int) -> None:
    assert holiday_name(date(year, 7, 4)) == "Independence Day"


def test_the_cut_off_is_a_quarter_to_six_in_new_york_in_winter_and_summer() -> None:
    assert cut_off(date(2025, 1, 6)).astimezone(UTC) == datetime(2025, 1, 6, 10, 45, tzinfo=UTC)
    assert cut_off(date(2025, 7, 7)).astimezone(UTC) == datetime(2025, 7, 7, 9, 45, tzinfo=UTC)


def test_a_partition_covers_what_came_since_the_previous_cut_off() -> None:
    assert previous_cut_off(date(2025, 4, 7)) == cut_off(date(2025, 4, 4))
    assert previous_cut_off(date(2025, 5, 27)) == cut_off(date(2025, 5, 23))


def test_the_deadline_skips_weekends_and_holidays() -> None:
    assert deadline(date(2025, 5, 22)) == cut_off(date(2025, 5, 28))


@given(DAYS, st.integers(1, 30))
def test_going_on_and_back_ends_where_it_began(day: date, count: int) -> None:
    start = business_days_after(day, 1)
    assert business_days_after(business_days_after(start, count), -count) == start


@given(DAYS, st.timedeltas(timedelta(0), timedelta(days=1)))
def test_the_latest_partition_is_the_last_one_whose_cut_off_has_passed(
    day: date, offset: timedelta
) -> None:
    now = datetime.combine(day, datetime.min.time(), tzinfo=UTC) + offset
    latest = latest_business_day(now)
    assert cut_off(latest) <= now < cut_off(business_days_after(latest, 1))


@given(DAYS)
def test_business_days_are_those_of_the_week_without_holidays(day: date) -> None:
    week = list(business_days(day, day + timedelta(days=6)))
    assert all(one.weekday() < 5 and holiday_name(one) is None for one in week)
    assert 3 <= len(week) <= 5
