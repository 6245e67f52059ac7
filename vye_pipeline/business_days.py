"""BDN's calendar: business days, cut-offs and deadlines. Pure functions of their arguments.

A business day is Monday to Friday except US federal holidays as observed and closures by order; its
cut-off is 05:45 America/New_York (bdn-interface.md, introduction).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
CUT_OFF_TIME = time(5, 45)
DEADLINE_BUSINESS_DAYS = 3
SATURDAY = 5


@lru_cache
def federal_holidays(year: int) -> Mapping[date, str]:
    """Returns the federal holidays of a year, and the days observed in their stead, with names."""
    import holidays  # loaded late: it takes as long as the rest of a command

    return dict(holidays.country_holidays("US", years=year).items())


@dataclass(frozen=True)
class BusinessCalendar:
    """Which days are business days, and what follows from that.

    Attributes:
        closures: days without files beyond the federal holidays, with the reason.
        worked: federal holidays on which files go out all the same.
    """

    closures: Mapping[date, str] = field(default_factory=dict)
    worked: frozenset[date] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads VYE_CLOSURES (docs/deployment.md).

        Args:
            text: `2025-01-09=Day of mourning,+2026-06-19`: a day and why it is closed, or, after a
                plus, a federal holiday that is worked; separated by commas.

        Raises:
            ValueError: an entry can't be read, or contradicts the calendar; it names the entry.
        """
        closures: dict[date, str] = {}
        worked: set[date] = set()
        for entry in filter(None, map(str.strip, text.split(","))):
            day, reason = _entry(entry)
            if day in closures or day in worked:
                raise ValueError(f"{day} is in it twice")
            if reason is None:
                worked.add(day)
            else:
                closures[day] = reason
        return cls(closures, frozenset(worked))

    def holiday_name(self, day: date) -> str | None:
        """Returns why a day of the week has no files, None if it isn't a holiday or closed."""
        if day in self.worked:
            return None
        return self.closures.get(day) or federal_holidays(day.year).get(day)

    def holidays(self, year: int) -> Mapping[date, str]:
        """Returns all holidays and closures of a year, oldest first, with names."""
        days = {*federal_holidays(year), *(day for day in self.closures if day.year == year)}
        named = ((day, self.holiday_name(day)) for day in sorted(days))
        return {day: name for day, name in named if name is not None}

    def is_business_day(self, day: date) -> bool:
        """Says whether BDN takes files on a day."""
        return day.weekday() < SATURDAY and self.holiday_name(day) is None

    def business_days(self, first: date, last: date) -> Iterator[date]:
        """Yields the business days from first to last, both included, oldest first."""
        day = first
        while day <= last:
            if self.is_business_day(day):
                yield day
            day += timedelta(days=1)

    def business_days_after(self, day: date, count: int) -> date:
        """Returns the count-th business day after a day (before it, where count is negative)."""
        step = timedelta(days=1 if count > 0 else -1)
        remaining = abs(count)
        while remaining:
            day += step
            remaining -= self.is_business_day(day)
        return day

    def business_days_waited(self, since: date, today: date) -> int:
        """Counts the business days after one day, up to another one and with it."""
        return sum(1 for _ in self.business_days(since + timedelta(days=1), today))

    def previous_cut_off(self, partition_date: date) -> datetime:
        """Returns the cut-off before a partition's own: where the time it covers begins."""
        return cut_off(self.business_days_after(partition_date, -1))

    def deadline(self, partition_date: date, delivered_at: datetime | None = None) -> datetime:
        """Returns until when BDN has time to answer.

        It is three business days after the cut-off or the delivery, whichever is later
        (bdn-interface.md, part 3).

        Args:
            partition_date: of the file.
            delivered_at: when it was delivered, with zone; None if it isn't yet.
        """
        due_at = cut_off(self.business_days_after(partition_date, DEADLINE_BUSINESS_DAYS))
        if delivered_at is None:
            return due_at
        local = delivered_at.astimezone(NEW_YORK)
        last = self.business_days_after(local.date(), DEADLINE_BUSINESS_DAYS)
        return max(due_at, datetime.combine(last, local.time(), NEW_YORK))

    def before(self, moment: datetime, business_days: int) -> datetime:
        """Returns the same time of day in New York, some business days before a moment."""
        local = moment.astimezone(NEW_YORK)
        day = self.business_days_after(local.date(), -business_days)
        return datetime.combine(day, local.time(), NEW_YORK)

    def latest_business_day(self, now: datetime) -> date:
        """Returns the newest partition whose cut-off has passed at an instant (any zone)."""
        today = now.astimezone(NEW_YORK).date()
        if self.is_business_day(today) and now >= cut_off(today):
            return today
        return self.business_days_after(today, -1)


FEDERAL_CALENDAR = BusinessCalendar()


def _entry(entry: str) -> tuple[date, str | None]:
    """Returns the day of an entry of VYE_CLOSURES and why it is closed, None if it is worked."""
    words, has_reason, reason = (part.strip() for part in entry.partition("="))
    is_worked = words.startswith("+")
    try:
        day = date.fromisoformat(words.removeprefix("+"))
    except ValueError:
        raise ValueError(
            f"{entry!r} is no entry: write 2025-01-09=Day of mourning, or +2026-06-19"
        ) from None
    is_holiday = day.weekday() < SATURDAY and day in federal_holidays(day.year)
    if is_worked and (has_reason or not is_holiday):
        raise ValueError(f"{entry!r}: after a plus stands a federal holiday on a weekday, alone")
    if not is_worked and not reason:
        raise ValueError(f"{entry!r} says no reason: write {day}=Executive order")
    return day, None if is_worked else reason


def cut_off(partition_date: date) -> datetime:
    """Returns the instant at which a partition closes: 05:45 in New York."""
    return datetime.combine(partition_date, CUT_OFF_TIME, tzinfo=NEW_YORK)


def end_of_day(day: date) -> datetime:
    """Returns the last instant of a day in New York."""
    return datetime.combine(day, time.max, tzinfo=NEW_YORK)
