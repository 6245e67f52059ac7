"""The words that commands take: dates, kinds, notes, each read and refused in one place."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from vye_pipeline.business_days import cut_off
from vye_pipeline.errors import UsageError
from vye_pipeline.personal_data import checked_note
from vye_pipeline.records import kind_named
from vye_pipeline.settings import Settings, load_settings


class IsoDate(click.ParamType[date]):
    """A day in ISO 8601."""

    name = "date"

    def convert(
        self,
        value: str | date,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> date:
        """Reads YYYY-MM-DD."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write YYYY-MM-DD", param, ctx)


class PartitionDate(IsoDate):
    """A business day whose cut-off has passed, or any day that the ledger knows.

    Args:
        is_next_one_too: whether the first business day whose cut-off is to come counts as well.
    """

    def __init__(self, *, is_next_one_too: bool = False) -> None:
        """Takes what counts."""
        self._is_next_one_too = is_next_one_too

    def convert(
        self,
        value: str | date,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> date:
        """Reads the date and refuses what is no partition yet or never will be."""
        day, settings = super().convert(value, param, ctx), load_settings()
        if _is_on_record(settings, day):
            return day
        if not settings.calendar.is_business_day(day):
            reason = settings.calendar.holiday_name(day) or f"a {day:%A}"
            raise UsageError(f"{day} is no business day: it is {reason}")
        if day < settings.start_date or (settings.end_date and day > settings.end_date):
            last = settings.end_date or "now"
            raise UsageError(
                f"{day} is outside the partitions, {settings.start_date} to {last}: "
                "see VYE_START_DATE and VYE_END_DATE"
            )
        newest = settings.calendar.latest_business_day(datetime.now(UTC))
        next_one = settings.calendar.business_days_after(newest, 1)
        if day > next_one or (day == next_one and not self._is_next_one_too):
            raise UsageError(f"{day} is not over: its cut-off is {cut_off(day):%Y-%m-%d %H:%M %Z}")
        return day


def _is_on_record(settings: Settings, day: date) -> bool:
    """Says whether the ledger knows a day; then no setting can keep it from being reached."""
    from vye_pipeline.ledger.days import days_on_record_if_readable

    return day in days_on_record_if_readable(settings, day, day)


class KindName(click.ParamType[str]):
    """A kind of record."""

    name = "kind"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuses an unknown kind."""
        return kind_named(value).name


class Note(click.ParamType[str]):
    """What a person writes down; the ledger keeps it, so it must hold no personal data."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuses what `checked_note` refuses."""
        return checked_note(value)


DATE = click.argument("partition_date", metavar="DATE", type=PartitionDate())
KIND = click.option("--kind", type=KindName(), help="only this kind")
FROM = click.option("--from", "first", type=IsoDate(), help="the first day")
TO = click.option("--to", "last", type=IsoDate(), help="the last day")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")
