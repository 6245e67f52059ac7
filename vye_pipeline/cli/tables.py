"""How the ledger's answers look at a terminal of 80 columns.

Tables are laid out here: what is made for it takes longer to load than the ledger to answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial
from itertools import groupby
from textwrap import fill

import click

from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.outlets import Outlet, let_out
from vye_pipeline.records.statuses import MANUAL, Status
from vye_pipeline.reporting.calendar import (
    CLOSED,
    DELIVERED,
    FAILED,
    MISSING,
    UNCLAIMED,
    Affected,
    Day,
)

Paint = Callable[[str], str]

BOLD, DIM = partial(click.style, bold=True), partial(click.style, dim=True)
GREEN, YELLOW, RED = (partial(click.style, fg=colour) for colour in ("green", "yellow", "red"))
ALARMING = partial(click.style, fg="red", bold=True)
COLOURS: dict[str, Paint] = {DELIVERED: GREEN, FAILED: ALARMING, MISSING: DIM, CLOSED: DIM}
MARKS = {
    Health.GOOD: GREEN("✓"),
    Health.WARNING: YELLOW("!"),
    Health.BAD: ALARMING("✗"),
}
STATUS_COLOURS: dict[str, Paint] = {
    Status.ACKNOWLEDGED: GREEN,
    Status.PENDING: YELLOW,
    Status.UNDELIVERED: ALARMING,
    UNCLAIMED: YELLOW,
    **dict.fromkeys(MANUAL, RED),
}
GAP = "  "
NARROWEST = 20


def show_calendar(days: Sequence[Day]) -> None:
    """Prints a row per partition and kind; stretches of days without a file take one row."""
    rows: list[tuple[str, ...]] = []
    for delivery, group in groupby(_by_date(days), key=_without_a_file):
        if delivery:
            rows.append(_stretch(list(group), delivery))
            continue
        for kinds in group:
            for number, day in enumerate(kinds):
                first = str(day.partition_date) if number == 0 else ""
                rows.append((first, day.kind, _delivery(day), _counts(day)))
    show_table(("partition", "kind", "delivery", "records"), rows)


def show_affected(items: Sequence[Affected], rows_shown: int | None = None) -> None:
    """Prints a row per record, the first ones or all, and how many user profiles they are."""
    rows = [
        (
            "—" if item.user_profile_id is None else str(item.user_profile_id),
            str(item.partition_date),
            item.kind,
            (DIM if item.resolved_at else STATUS_COLOURS[item.status])(item.status),
            let_out(item.reason, Outlet.TERMINAL),
        )
        for item in items[:rows_shown]
    ]
    if rows:
        show_table(("profile", "partition", "kind", "status", "reason"), rows)
    profiles = {item.user_profile_id for item in items} - {None}
    manual = sum(item.is_open for item in items)
    click.echo(
        f"{len(items)} records of {len(profiles)} user profiles; {manual} of them need a person"
    )


def show_lines(lines: Iterable[str]) -> None:
    """Prints lines, each folded at the terminal's width; a key is never broken."""
    for line in lines:
        click.echo(_folded(let_out(line, Outlet.TERMINAL), ""))


def show_older(start_date: date, days: Sequence[date]) -> None:
    """Says that older days are not shown, and how to see them."""
    if start_date < days[0]:
        click.echo(_folded(DIM(f"older days, settled: vye status --from {start_date}"), ""))


def show_finding(finding: Finding) -> None:
    """Prints what the doctor found of one thing, and the remedy under it."""
    words = _folded(let_out(f"{finding.subject}: {finding.words}", Outlet.TERMINAL), "  ")
    click.echo(MARKS[finding.health] + words.removeprefix(" "))
    if finding.remedy:
        click.echo(_folded(let_out(finding.remedy, Outlet.TERMINAL), "    "))


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of cells under their names; the last column is folded in the place left to it."""
    table = [[BOLD(name) for name in header], *rows]
    widths = [max(map(_length, column)) for column in zip(*table, strict=True)][:-1]
    indent = " " * sum(width + len(GAP) for width in widths)
    whole = max(_width(), len(indent) + NARROWEST)
    for *cells, last in table:
        padded = (
            cell + " " * (width - _length(cell)) + GAP
            for cell, width in zip(cells, widths, strict=True)
        )
        click.echo(click.wrap_text("".join(padded) + last, whole, subsequent_indent=indent))


def show_text(text: str, indent: str = "") -> None:
    """Prints a text, folded at the terminal's width; what paints it takes no place."""
    click.echo(click.wrap_text(text, _width(), initial_indent=indent, subsequent_indent=indent))


def _length(cell: str) -> int:
    return len(click.unstyle(cell))


def _width() -> int:
    return shutil.get_terminal_size().columns


def _folded(text: str, indent: str) -> str:
    return fill(
        text,
        _width(),
        initial_indent=indent,
        subsequent_indent=indent or "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _by_date(days: Sequence[Day]) -> Iterable[list[Day]]:
    return [list(group) for _, group in groupby(days, key=lambda day: day.partition_date)]


def _without_a_file(kinds: list[Day]) -> str | None:
    """Returns how all kinds of a day stand, if they never ran or are closed."""
    deliveries = {day.delivery for day in kinds}
    return deliveries.pop() if deliveries in ({MISSING}, {CLOSED}) else None


def _stretch(group: list[list[Day]], delivery: str) -> tuple[str, ...]:
    first, last = group[0][0].partition_date, group[-1][0].partition_date
    extent = f"{len(group)} days, to {last}" if len(group) > 1 else "all kinds"
    return str(first), extent, COLOURS[delivery](delivery), ""


def _delivery(day: Day) -> str:
    cause = f": {day.cause}" if day.cause else ""
    return COLOURS[day.delivery](day.delivery + cause)


def _counts(day: Day) -> str:
    counts = day.counts | {UNCLAIMED: day.unclaimed}
    until = f" until {day.due_at:%Y-%m-%d %H:%M}" if day.due_at else ""
    parts = [
        STATUS_COLOURS.get(status, str)(
            f"{count} {status}{until if status == Status.PENDING else ''}"
        )
        for status, count in counts.items()
        if count
    ]
    return ", ".join(parts) or DIM("none")
