"""BDN's calendar: business days, cut-offs and deadlines. Pure functions of their arguments.

A business day is Monday to Friday except US federal holidays as observed; its cut-off is 05:45
America/New_York (bdn-interface.md, introduction).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
CUT_OFF_TIME = time(5, 45)
DEADLINE_BUSINESS_DAYS = 3
MONDAY, THURSDAY, FRIDAY, SATURDAY = 0, 3, 4, 5

# The federal holidays by law, 5 U.S.C. 6103(a), as they have been since 1986: those of a date, ...
NEW_YEAR, JUNETEENTH = "New Year's Day", "Juneteenth National Independence Day"
DATED_HOLIDAYS = {
    NEW_YEAR: (1, 1),
    JUNETEENTH: (6, 19),
    "Independence Day": (7, 4),
    "Veterans Day": (11, 11),
    "Christmas Day": (12, 25),
}
FIRST_JUNETEENTH = 2021
# ... and those of a weekday, the first one from a date on: the third Monday is that from the 15th.
WEEKDAY_HOLIDAYS = {
    "Martin Luther King Jr. Day": (1, 15, MONDAY),
    "Washington's Birthday": (2, 15, MONDAY),
    "Memorial Day": (5, 25, MONDAY),
    "Labor Day": (9, 1, MONDAY),
    "Columbus Day": (10, 8, MONDAY),
    "Thanksgiving Day": (11, 22, THURSDAY),
}


@lru_cache
def holidays_of_year(year: int) -> dict[date, str]:
    """Returns the federal holidays of a year and the days observed in their stead, with names.

    For one on a Saturday that is the Friday before (5 U.S.C. 6103(b)), for one on a Sunday the
    Monday after (Executive Order 11582). A New Year's Day may be observed in the year before.
    """
    days = {
        date(year, month, day): name
        for name, (month, day) in DATED_HOLIDAYS.items()
        if name != JUNETEENTH or year >= FIRST_JUNETEENTH
    }
    observed = {
        _observed(day): f"{name} (observed)"
        for day, name in days.items()
        if day.weekday() >= SATURDAY and _observed(day).year == year
    }
    if (last := date(year, 12, 31)).weekday() == FRIDAY:
        observed[last] = f"{NEW_YEAR} (observed)"
    for name, (month, earliest, weekday) in WEEKDAY_HOLIDAYS.items():
        days[_first(weekday, date(year, month, earliest))] = name
    return days | observed


def _observed(day: date) -> date:
    """Returns the day observed in place of one at the weekend."""
    return day + timedelta(days=-1 if day.weekday() == SATURDAY else 1)


def _first(weekday: int, earliest: date) -> date:
    """Returns the first day that is a weekday, from a date on."""
    return earliest + timedelta(days=(weekday - earliest.weekday()) % 7)


def holiday_name(day: date) -> str | None:
    """Returns the name of the federal holiday observed on a day, None on any other day."""
    return holidays_of_year(day.year).get(day)


def is_business_day(day: date) -> bool:
    """Says whether BDN takes files on a day."""
    return day.weekday() < SATURDAY and holiday_name(day) is None


def business_days(first: date, last: date) -> Iterator[date]:
    """Yields the business days from first to last, both included, oldest first."""
    day = first
    while day <= last:
        if is_business_day(day):
            yield day
        day += timedelta(days=1)


def business_days_after(day: date, count: int) -> date:
    """Returns the count-th business day after a day (before it, where count is negative)."""
    step = timedelta(days=1 if count > 0 else -1)
    remaining = abs(count)
    while remaining:
        day += step
        remaining -= is_business_day(day)
    return day


def business_days_waited(since: date, today: date) -> int:
    """Counts the business days after one day, up to another one and with it."""
    return sum(1 for _ in business_days(since + timedelta(days=1), today))


def cut_off(partition_date: date) -> datetime:
    """Returns the instant at which a partition closes: 05:45 in New York."""
    return datetime.combine(partition_date, CUT_OFF_TIME, tzinfo=NEW_YORK)


def previous_cut_off(partition_date: date) -> datetime:
    """Returns the cut-off before a partition's own: where the time it covers begins."""
    return cut_off(business_days_after(partition_date, -1))


def deadline(partition_date: date) -> datetime:
    """Returns when BDN's answer is overdue: three business days after the cut-off."""
    return cut_off(business_days_after(partition_date, DEADLINE_BUSINESS_DAYS))


def end_of_day(day: date) -> datetime:
    """Returns the last instant of a day in New York."""
    return datetime.combine(day, time.max, tzinfo=NEW_YORK)


def latest_business_day(now: datetime) -> date:
    """Returns the newest partition whose cut-off has passed at an instant (any zone)."""
    today = now.astimezone(NEW_YORK).date()
    if is_business_day(today) and now >= cut_off(today):
        return today
    return business_days_after(today, -1)
