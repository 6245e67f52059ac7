"""How the ledger's answers look at a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from textwrap import fill
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from vye_pipeline.health import Finding, Health
from vye_pipeline.ledger.reports import DELIVERED, FAILED, MISSING, Affected, Day
from vye_pipeline.reconciliation.statuses import MANUAL, Status

COLOURS = {DELIVERED: "green", FAILED: "bold red", MISSING: "dim"}
MARKS = {
    Health.GOOD: ("✓", "green"),
    Health.WARNING: ("!", "yellow"),
    Health.BAD: ("✗", "bold red"),
}
Item = TypeVar("Item")
STATUS_COLOURS = {
    Status.ACKNOWLEDGED: "green",
    Status.PENDING: "yellow",
    Status.UNDELIVERED: "bold red",
    **dict.fromkeys(MANUAL, "red"),
}


def show_calendar(console: Console, days: Sequence[Day]) -> None:
    """Prints a row a partition and kind; stretches of days that never ran take one row."""
    table = Table(box=None, pad_edge=False)
    for name in ("partition", "kind", "delivery", "records"):
        table.add_column(name, no_wrap=name != "records")
    for never_ran, group in groupby(_by_date(days), key=_never_ran):
        if never_ran:
            table.add_row(*_missing(list(group)))
            continue
        for kinds in group:
            for number, day in enumerate(kinds):
                first = str(day.partition_date) if number == 0 else ""
                table.add_row(first, day.kind, _delivery(day), _counts(day))
    console.print(table)


def show_lines(console: Console, lines: Iterable[str]) -> None:
    """Prints lines, each folded at the terminal's width; a key is never broken."""
    for line in lines:
        console.print(_folded(console, line, ""), soft_wrap=True, highlight=False, markup=False)


def show_finding(console: Console, finding: Finding) -> None:
    """Prints what the doctor found of one thing, and the remedy under it."""
    mark, colour = MARKS[finding.health]
    words = _folded(console, f"{finding.subject}: {finding.words}", "  ")
    console.print(Text.assemble((mark, colour), words.removeprefix(" ")), soft_wrap=True)
    if finding.remedy:
        remedy = _folded(console, finding.remedy, "    ")
        console.print(remedy, soft_wrap=True, highlight=False, markup=False)


def _folded(console: Console, text: str, indent: str) -> str:
    return fill(
        text,
        console.width,
        initial_indent=indent,
        subsequent_indent=indent or "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def watched(items: Iterable[Item], what: str) -> Iterable[Item]:
    """Yields the items; at a terminal a bar on stderr shows that something is going on."""
    console = Console(stderr=True)
    return track(
        items, what, total=None, console=console, transient=True, disable=not console.is_terminal
    )


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows on stderr, at a terminal, that something takes its time."""
    with Console(stderr=True).status(what):
        yield


def show_affected(
    console: Console, items: Sequence[Affected], rows_shown: int | None = None
) -> None:
    """Prints a row a record, the first ones or all, and how many user profiles they are."""
    table = Table(box=None, pad_edge=False)
    for name in ("profile", "partition", "kind", "status", "reason"):
        table.add_column(name, no_wrap=name != "reason")
    for item in items[:rows_shown]:
        profile = "—" if item.user_profile_id is None else str(item.user_profile_id)
        colour = "dim" if item.resolved_at else STATUS_COLOURS[Status(item.status)]
        table.add_row(
            profile,
            str(item.partition_date),
            item.kind,
            Text(item.status, colour),
            item.reason,
        )
    if items:
        console.print(table)
    profiles = {item.user_profile_id for item in items} - {None}
    manual = sum(item.is_open for item in items)
    console.print(
        f"{len(items)} records of {len(profiles)} user profiles; {manual} of them need a person"
    )


def _by_date(days: Sequence[Day]) -> Iterable[list[Day]]:
    return [list(group) for _, group in groupby(days, key=lambda day: day.partition_date)]


def _never_ran(kinds: list[Day]) -> bool:
    return all(day.delivery == MISSING for day in kinds)


def _missing(group: list[list[Day]]) -> tuple[str, str, Text, str]:
    first, last = group[0][0].partition_date, group[-1][0].partition_date
    extent = f"{len(group)} days, to {last}" if len(group) > 1 else "all kinds"
    return str(first), extent, Text(MISSING, COLOURS[MISSING]), ""


def _delivery(day: Day) -> Text:
    cause = f": {day.cause}" if day.cause else ""
    return Text(day.delivery + cause, COLOURS[day.delivery])


def _counts(day: Day) -> Text:
    parts = [
        Text(f"{count} {status}", STATUS_COLOURS.get(Status(status), ""))
        for status, count in day.counts.items()
        if count
    ]
    return Text(", ").join(parts) if parts else Text("none", "dim")
