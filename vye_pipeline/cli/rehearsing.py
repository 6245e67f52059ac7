"""`vye egress DATE --dry-run`: a day's egress without its consequences, at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import click

from vye_pipeline.cli.progress import spinner
from vye_pipeline.context import Context
from vye_pipeline.egress.dry_run import DryRun, dry_run
from vye_pipeline.errors import PipelineError
from vye_pipeline.records import kind_named
from vye_pipeline.settings import Settings

SUCCESS, FAILED = 0, 1


def show_dry_run(settings: Settings, partition_date: date, kinds: Sequence[str]) -> int:
    """Prints what a run would do with each kind, and returns the exit code."""
    context, worst = Context(settings), SUCCESS
    for name in kinds:
        try:
            with spinner(f"reading the {name} of {partition_date}"):
                result = dry_run(context, partition_date, kind_named(name), datetime.now(UTC))
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


def _in_words(result: DryRun) -> list[str]:
    if result.is_delivered:
        return [f"{result.kind}: delivered already, and frozen"]
    head = (
        f"{result.kind}: {result.lines} lines ({result.bytes} bytes), "
        f"{result.quarantined} quarantined, {result.replaced} replaced"
    )
    return [head, *(f"  {count} times {reason}" for reason, count in result.reasons)]
