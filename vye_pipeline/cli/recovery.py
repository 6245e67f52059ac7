"""`vye recover`: what a ledger has forgotten is taken up again, and what is undecided decided."""

from __future__ import annotations

from datetime import date

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.words import IsoDate, KindName, Note, PartitionDate
from vye_pipeline.errors import UsageError
from vye_pipeline.records import kind_named
from vye_pipeline.settings import load_settings

SUCCESS, FAILED = 0, 1


@click.command()
@click.argument("day", metavar="[DATE]", type=PartitionDate(), required=False)
@click.option("--kind", type=KindName(), help="of the file that is decided on")
@click.option("--from", "first", type=IsoDate(), help="the first day")
@click.option("--to", "last", type=IsoDate(), help="the last day")
@click.option("--delivered", type=Note(), metavar="REASON", help="BDN has had the file")
@click.option("--not-delivered", type=Note(), metavar="REASON", help="BDN has not had the file")
@click.option(
    "--disown",
    type=(str, Note()),
    metavar="KEY REASON",
    help="an object under the outbound prefix isn't this pipeline's",
)
def recover(
    day: date | None,
    kind: str | None,
    first: date | None,
    last: date | None,
    delivered: str | None,
    not_delivered: str | None,
    disown: tuple[str, str] | None,
) -> int:
    """Take up in the ledger what lies in the stores and it doesn't know."""
    from vye_pipeline.context import Context
    from vye_pipeline.recovery import decide
    from vye_pipeline.recovery.recover import recover as take_up

    context = Context(load_settings())
    now = context.now()
    reason = delivered or not_delivered
    if (delivered and not_delivered) or (reason and disown) or bool(day) != bool(reason):
        raise UsageError('decide by DATE --kind K --delivered "why" or --not-delivered "why"')
    context.ledger.record_action(
        "recover", actor=actor(), acted_at=now, partition_date=day, kind=kind, reason=reason
    )
    if day and reason:
        if kind is None:
            raise UsageError("--kind is needed: each kind's file is decided on by itself")
        decide.decide(
            context,
            day,
            kind_named(kind),
            was_delivered=delivered is not None,
            decided_by=actor(),
            reason=reason,
            now=now,
        )
        first = last = day
    elif disown:
        key, why = disown
        decide.disown(context, key, decided_by=actor(), reason=why, now=now)
        click.echo(f"{key}: not this pipeline's")
        return SUCCESS
    done = take_up(context, first or context.settings.start_date, last or now.date(), now)
    for line in done.taken_up:
        click.echo(line)
    for line in done.left:
        click.echo(line, err=True)
    if not done.left:
        click.echo("ledger, store and snapshots agree")
    return FAILED if done.left else SUCCESS
