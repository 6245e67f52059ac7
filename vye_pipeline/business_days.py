"""BDN's calendar: business days, cut-offs and deadlines. Pure functions of their arguments.

A business day is Monday to Friday except US federal holidays as observed; its cut-off is 05:45
America/New_York (bdn-interface.md, introduction).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
CUT_OFF_TIME = time(5, 45)
DEADLINE_BUSINESS_DAYS = 3
SATURDAY = 5


@lru_cache
def holidays_of_year(year: int) -> dict[date, str]:
    """Returns the federal holidays observed in a year, by date, with their names."""
    return dict(holidays.country_holidays("US", years=year, observed=True).items())


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
