"""What would go out, at a terminal: `vye preview`, `vye egress DATE --dry-run`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import click

from vye_pipeline.business_days import cut_off
from vye_pipeline.cli.output import FAILED, SUCCESS
from vye_pipeline.cli.words import AS_JSON, PartitionDate
from vye_pipeline.errors import PipelineError
from vye_pipeline.records import kind_named
from vye_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from vye_pipeline.egress.preview import Preview
    from vye_pipeline.reporting.usual import Usual


@click.command()
@click.argument(
    "partition_date", metavar="[DATE]", type=PartitionDate(is_next_one_too=True), required=False
)
@AS_JSON
def preview(partition_date: date | None, as_json: bool) -> int:
    """Show what would go out, without claiming or sending anything."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.context import Context
    from vye_pipeline.egress.preview import next_day
    from vye_pipeline.reporting.usual import beside_usual

    context = Context(load_settings())
    now = context.now()
    day = partition_date or next_day(context, now)
    with spinner(f"reading the records of {day}"):
        previews = beside_usual(context, day, now)
    if as_json:
        click.echo(json.dumps([_as_json(day, one, usual) for one, usual in previews], indent=2))
        return SUCCESS
    _show(day, previews)
    return SUCCESS


def show_dry_run(settings: Settings, partition_date: date, kinds: Sequence[str]) -> int:
    """Prints what a run would do with each kind, and returns the exit code."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.context import Context
    from vye_pipeline.egress.preview import dry_run

    context, worst = Context(settings), SUCCESS
    for name in kinds:
        try:
            with spinner(f"reading the {name} of {partition_date}"):
                result = dry_run(context, partition_date, kind_named(name), context.now())
        except PipelineError as error:
            worst = FAILED
            click.echo(f"{name}: would fail")
            click.echo(f"vye: {name} of {partition_date}: {error}", err=True)
            continue
        for line in _in_words(result):
            click.echo(line)
    requests = context.personal.requests if worst == SUCCESS else {}
    for what, count in requests.items():
        click.echo(f"{what.replace('_', ' ')}: {count}")
    click.echo("nothing was claimed or put")
    return worst


def _as_json(partition_date: date, one: Preview, usual: Usual) -> dict[str, object]:
    """Returns the object of `vye preview --json`."""
    return {
        "partition_date": partition_date.isoformat(),
        "kind": one.kind,
        "delivery": one.delivery,
        "export_ready": one.export_ready,
        "lines": one.lines,
        **one.unsent,
        "bytes": one.bytes,
        "reasons": one.reasons,
        "usual": usual.as_json(),
    }


def _show(partition_date: date, previews: Sequence[tuple[Preview, Usual]]) -> None:
    """Prints a row per kind, what is usual in brackets, and the reasons under them."""
    from vye_pipeline.cli.tables import show_lines, show_table
    from vye_pipeline.egress.preview import OPEN

    days = max(usual.days for _, usual in previews)
    compared = f"in brackets the medians of {days} {partition_date:%A}s" if days else ""
    unknown = f"no {partition_date:%A} is known to compare with"
    show_lines([f"{cut_off(partition_date):%Y-%m-%d %H:%M %Z}: {compared or unknown}"])
    header = ("kind", "lines", *previews[0][0].unsent)
    rows = [
        (one.kind, *_cells(one, usual)) if one.delivery == OPEN else (one.kind, one.delivery)
        for one, usual in previews
    ]
    show_table(header, [(*row, *[""] * (len(header) - len(row))) for row in rows])
    show_lines(
        f"{count} {one.kind} quarantined: {reason}"
        for one, _ in previews
        for reason, count in one.reasons.items()
    )
    click.echo("nothing was claimed or put")


def _cells(one: Preview, usual: Usual) -> list[str]:
    counts = {"lines": one.lines, **one.unsent}
    if not usual.days:
        return [str(count) for count in counts.values()]
    return [f"{count} ({usual.counts[name]})" for name, count in counts.items()]


def _in_words(one: Preview) -> list[str]:
    from vye_pipeline.egress.preview import DELIVERED

    if one.delivery == DELIVERED:
        return [f"{one.kind}: delivered already, and frozen"]
    counts = ", ".join(f"{count} {name}" for name, count in one.unsent.items())
    head = f"{one.kind}: {one.lines} lines ({one.bytes} bytes), {counts}"
    return [head, *(f"  {count} times {reason}" for reason, count in one.reasons.items())]
