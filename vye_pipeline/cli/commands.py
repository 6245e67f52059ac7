"""`vye …`: the commands for people at a terminal (command-line.md).

Each command checks its words, calls one plain function and prints. What needs dagster or pandas is
imported by the command that uses it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from vye_pipeline.cli.handing_over import hand_over
from vye_pipeline.cli.holding import hold, release
from vye_pipeline.cli.looking import doctor, explain, status
from vye_pipeline.cli.output import BAD_USAGE, FAILED, INTERRUPTED, SUCCESS, complain
from vye_pipeline.cli.recovery import recover
from vye_pipeline.cli.rehearsing import preview
from vye_pipeline.cli.retention import expire
from vye_pipeline.cli.running import backfill, demo, egress, reconcile, redeliver
from vye_pipeline.cli.sandbox import database, simulate
from vye_pipeline.cli.snapshots import snapshots
from vye_pipeline.cli.worklist import affected, resolve
from vye_pipeline.cli.writing import export, report
from vye_pipeline.containment import contained
from vye_pipeline.errors import UsageError

__all__ = ["BAD_USAGE", "FAILED", "INTERRUPTED", "SUCCESS", "run", "vye"]

COMMANDS = (
    demo, preview, egress, reconcile, backfill, redeliver, status, doctor, explain, affected,
    resolve, hold, release, hand_over, export, expire, report, database, recover, simulate,
    snapshots,
)  # fmt: skip


def run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; errors are one line on stderr."""
    code, error = contained(lambda: _run(arguments), interrupts=(KeyboardInterrupt, click.Abort))
    if error is None:
        return code or SUCCESS
    if isinstance(error, KeyboardInterrupt | click.Abort):
        complain("interrupted; the same command takes up where it stopped")
        return INTERRUPTED
    complain(str(error))
    return BAD_USAGE if isinstance(error, UsageError) else FAILED


def _run(arguments: Sequence[str]) -> int:
    """Runs a command; what click refuses is bad usage like any other."""
    try:
        return vye.main(list(arguments), prog_name="vye", standalone_mode=False) or SUCCESS
    except click.ClickException as error:
        refusal = UsageError(error.format_message())
    raise refusal


# https://no-color.org; without a terminal nothing is coloured anyway.
COLOUR = False if os.environ.get("NO_COLOR") else None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "color": COLOUR})
def vye() -> None:
    """A business day's submissions, carried from VYE to BDN and accounted for one by one."""


for command in COMMANDS:
    vye.add_command(command)
