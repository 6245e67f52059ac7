"""BDN's calendar, on the days on which calendars go wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.business_days import (
    FEDERAL_CALENDAR,
    NEW_YORK,
    BusinessCalendar,
    cut_off,
    federal_holidays,
)
from vye_pipeline.errors import UsageError
from vye_pipeline.settings import load_settings

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
    assert FEDERAL_CALENDAR.holiday_name(day) == name
    assert not FEDERAL_CALENDAR.is_business_day(day)


def by_law(year: int) -> set[date]:
    """The days of 5 U.S.C. 6103(a), and those observed in their stead on weekdays of the year.

    For a holiday on a Saturday that is the Friday before (5 U.S.C. 6103(b)), for one on a Sunday
    the Monday after (Executive Order 11582); a New Year's Day may be observed the year before.
    """
    dated = [(1, 1), (7, 4), (11, 11), (12, 25), *([(6, 19)] if year >= 2021 else [])]
    days = {date(year, month, day) for month, day in dated}
    shifts = {5: timedelta(days=-1), 6: timedelta(days=1)}
    observed = {
        day + shifts.get(day.weekday(), timedelta(0)) for day in {*days, date(year + 1, 1, 1)}
    }
    monday, thursday = 0, 3
    from_on = [(1, 15, monday), (2, 15, monday), (5, 25, monday), (9, 1, monday), (10, 8, monday)]
    for month, day, weekday in [*from_on, (11, 22, thursday)]:
        earliest = date(year, month, day)
        days.add(earliest + timedelta(days=(weekday - earliest.weekday()) % 7))
    return days | {day for day in observed if day.year == year}


def test_the_holidays_of_each_year_are_those_of_the_law() -> None:
    for year in range(1986, 2100):
        assert set(federal_holidays(year)) == by_law(year)


@pytest.mark.parametrize("year", [date.min.year, date.max.year])
def test_no_year_is_too_far_away_to_be_asked_about(year: int) -> None:
    assert FEDERAL_CALENDAR.is_business_day(date(year, 7, 4)) == (date(year, 7, 4).weekday() < 5)


CLOSED = BusinessCalendar.parse(
    "2025-01-09=Day of mourning, 2025-12-26=Executive order,+2026-06-19"
)


def test_a_closure_moves_everything_that_is_counted_in_business_days() -> None:
    closed = date(2025, 1, 9)
    assert CLOSED.holiday_name(closed) == "Day of mourning"
    assert not CLOSED.is_business_day(closed)
    assert CLOSED.deadline(date(2025, 1, 6)) == cut_off(date(2025, 1, 10))
    assert CLOSED.previous_cut_off(date(2025, 1, 10)) == cut_off(date(2025, 1, 8))
    assert CLOSED.latest_business_day(cut_off(closed)) == date(2025, 1, 8)
    assert CLOSED.business_days_waited(date(2025, 1, 8), date(2025, 1, 13)) == 2
    assert date(2025, 12, 26) in CLOSED.holidays(2025)


def test_a_holiday_that_is_worked_is_a_business_day() -> None:
    assert CLOSED.is_business_day(date(2026, 6, 19))
    assert date(2026, 6, 19) not in CLOSED.holidays(2026)
    assert not CLOSED.is_business_day(date(2025, 6, 19))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow=Snow", "'tomorrow=Snow' is no entry"),
        ("2025-01-09", "says no reason"),
        ("2025-01-09=A,2025-01-09=B", "2025-01-09 is in it twice"),
        ("2025-06-19=A,+2025-06-19", "2025-06-19 is in it twice"),
        ("+2025-06-18", "after a plus stands a federal holiday"),
        ("+2026-07-04", "after a plus stands a federal holiday on a weekday"),
        ("+2025-06-19=Juneteenth", "alone"),
    ],
)
def test_what_can_not_be_read_is_refused_with_the_entry(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="VYE_CLOSURES can't be used") as refused:
        load_settings(closures=text)
    assert words in str(refused.value)


def test_the_cut_off_is_a_quarter_to_six_in_new_york_in_winter_and_summer() -> None:
    assert cut_off(date(2025, 1, 6)).astimezone(UTC) == datetime(2025, 1, 6, 10, 45, tzinfo=UTC)
    assert cut_off(date(2025, 7, 7)).astimezone(UTC) == datetime(2025, 7, 7, 9, 45, tzinfo=UTC)


def test_a_partition_covers_what_came_since_the_previous_cut_off() -> None:
    assert FEDERAL_CALENDAR.previous_cut_off(date(2025, 4, 7)) == cut_off(date(2025, 4, 4))
    assert FEDERAL_CALENDAR.previous_cut_off(date(2025, 5, 27)) == cut_off(date(2025, 5, 23))


def test_the_deadline_skips_weekends_and_holidays() -> None:
    assert FEDERAL_CALENDAR.deadline(date(2025, 5, 22)) == cut_off(date(2025, 5, 28))


def test_the_deadline_counts_from_a_late_delivery() -> None:
    day = date(2025, 5, 22)
    in_time, late = cut_off(day) + timedelta(minutes=5), datetime(2025, 6, 4, 15, tzinfo=NEW_YORK)
    assert FEDERAL_CALENDAR.deadline(day, in_time) == cut_off(date(2025, 5, 28)) + timedelta(
        minutes=5
    )
    assert FEDERAL_CALENDAR.deadline(day, late.astimezone(UTC)) == late + timedelta(days=5)
    on_a_sunday = datetime(2025, 6, 8, 15, tzinfo=NEW_YORK)
    assert FEDERAL_CALENDAR.deadline(day, on_a_sunday) == datetime(2025, 6, 11, 15, tzinfo=NEW_YORK)


@given(DAYS, st.integers(1, 30))
def test_going_on_and_back_ends_where_it_began(day: date, count: int) -> None:
    start = FEDERAL_CALENDAR.business_days_after(day, 1)
    assert (
        FEDERAL_CALENDAR.business_days_after(
            FEDERAL_CALENDAR.business_days_after(start, count), -count
        )
        == start
    )


@given(DAYS, st.timedeltas(timedelta(0), timedelta(days=1)))
def test_the_latest_partition_is_the_last_one_whose_cut_off_has_passed(
    day: date, offset: timedelta
) -> None:
    now = datetime.combine(day, datetime.min.time(), tzinfo=UTC) + offset
    latest = FEDERAL_CALENDAR.latest_business_day(now)
    assert cut_off(latest) <= now < cut_off(FEDERAL_CALENDAR.business_days_after(latest, 1))


@given(DAYS)
def test_business_days_are_those_of_the_week_without_holidays(day: date) -> None:
    week = list(FEDERAL_CALENDAR.business_days(day, day + timedelta(days=6)))
    assert all(one.weekday() < 5 and FEDERAL_CALENDAR.holiday_name(one) is None for one in week)
    assert 3 <= len(week) <= 5
