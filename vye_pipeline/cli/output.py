"""What commands print when they end, and their exit codes (command-line.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click

from vye_pipeline.outlets import Outlet, let_out

SUCCESS, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def complain(text: str) -> None:
    """Prints one line on stderr, freed of what a terminal would obey."""
    click.echo(f"vye: {let_out(' '.join(text.split()), Outlet.TERMINAL)}", err=True)


def tell_outcome(partition_date: date, problems: Sequence[str], *, success: str) -> int:
    """Prints how a day's run ended, a line a problem, and returns the exit code."""
    click.echo(f"{partition_date}: {'failed' if problems else success}")
    for problem in problems:
        complain(problem)
    return FAILED if problems else SUCCESS
