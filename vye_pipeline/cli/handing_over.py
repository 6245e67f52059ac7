"""`vye hand-over`: a day's file for a transfer outside the store, and what became of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.output import SUCCESS, tell_outcome
from vye_pipeline.cli.words import DATE, KindName, Note
from vye_pipeline.errors import UsageError
from vye_pipeline.records import kind_named
from vye_pipeline.settings import load_settings

if TYPE_CHECKING:
    from vye_pipeline.context import Context
    from vye_pipeline.records import Kind


@click.command("hand-over")
@DATE
@click.option("--kind", type=KindName(), required=True, help="the kind whose file it is")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="write the file here")
@click.option(
    "--recipient",
    type=click.Path(path_type=Path),
    metavar="KEYFILE",
    help="the receiver's public keys (age or SSH): the file is encrypted for them",
)
@click.option("--confirm", type=Note(), metavar="NOTE", help="who took it, and when")
@click.option("--withdraw", type=Note(), metavar="NOTE", help="why BDN has not got it")
def hand_over(
    partition_date: date,
    kind: str,
    folder: Path | None,
    recipient: Path | None,
    confirm: str | None,
    withdraw: str | None,
) -> int:
    """Write a day's file for a transfer outside the store; confirmed, that is its delivery."""
    from vye_pipeline.context import Context

    if sum(one is not None for one in (folder, confirm, withdraw)) != 1:
        raise UsageError('hand over by --to FOLDER, then --confirm "who, when" or --withdraw "why"')
    if recipient and not folder:
        raise UsageError("--recipient goes with --to")
    context, one = Context(load_settings()), kind_named(kind)
    if folder is not None:
        return _begin(context, partition_date, one, folder, recipient)
    if confirm is not None:
        return _confirm(context, partition_date, one, confirm)
    return _withdraw(context, partition_date, one, withdraw or "")


def _begin(
    context: Context, partition_date: date, kind: Kind, folder: Path, recipient: Path | None
) -> int:
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.cli.tables import show_lines
    from vye_pipeline.egress.hand_over import begin

    with spinner(f"writing the {kind.name} of {partition_date}"):
        written = begin(
            context,
            partition_date,
            kind,
            folder,
            recipient=recipient,
            begun_by=actor(),
            now=context.now(),
        )
    show_lines(
        [
            f"{written.path}: {written.file.line_count} lines",
            f"{written.cover_sheet}: goes with it",
            f"no file of {kind.name} goes out before you type vye hand-over {partition_date} "
            f'--kind {kind.name} --confirm "who took it, when", or --withdraw "why"',
        ]
    )
    if not written.is_sealed:
        click.echo(
            "it is NOT encrypted: --recipient KEYFILE encrypts it for its receiver", err=True
        )
    return SUCCESS


def _confirm(context: Context, partition_date: date, kind: Kind, note: str) -> int:
    """Confirms a hand-over, and lets the day run in Dagster, which sees that it is delivered."""
    from vye_pipeline.egress.hand_over import confirm
    from vye_pipeline.orchestration.runs import Session

    receipt = confirm(context, partition_date, kind, note=note, done_by=actor(), now=context.now())
    click.echo(f"{partition_date}: {receipt.line_count} {kind.name} handed over")
    with Session(context.settings, context) as session:
        outcome = session.egress(partition_date, [kind.name])
    return tell_outcome(partition_date, outcome.problems, success="delivered")


def _withdraw(context: Context, partition_date: date, kind: Kind, note: str) -> int:
    from vye_pipeline.egress.hand_over import withdraw

    withdraw(context, partition_date, kind, note=note, done_by=actor(), now=context.now())
    click.echo(
        f"{partition_date}: the hand-over of {kind.name} is withdrawn; "
        f"vye egress {partition_date} --kind {kind.name} puts the file"
    )
    return SUCCESS
