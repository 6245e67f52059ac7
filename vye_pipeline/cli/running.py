"""What runs a day: `vye demo`, `egress`, `reconcile`, `backfill`, `redeliver`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.output import FAILED, SUCCESS, tell_outcome
from vye_pipeline.cli.words import DATE, FROM, KIND, TO, KindName, Note
from vye_pipeline.errors import UsageError
from vye_pipeline.records import KINDS, kind_named
from vye_pipeline.settings import load_settings

if TYPE_CHECKING:
    pass


@click.command()
@click.option("--until-repair", is_flag=True, help="leave the failed days as they are")
def demo(until_repair: bool) -> int:
    """Run ten sample days with failures, and repair them."""
    from vye_pipeline.cli.demo import run_demo

    run_demo(load_settings(), until_repair=until_repair)
    return SUCCESS


@click.command()
@DATE
@KIND
@click.option("--dry-run", is_flag=True, help="read, decrypt, check, render and count only")
@click.option(
    "--accept-quarantine",
    "reason",
    type=Note(),
    help="why so many records of the kind are right to be quarantined; no personal data",
)
def egress(partition_date: date, kind: str | None, reason: str | None, dry_run: bool) -> int:
    """Read, render and deliver a day's files."""
    if dry_run:
        from vye_pipeline.cli.rehearsing import show_dry_run

        return show_dry_run(load_settings(), partition_date, _kinds(kind))
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.orchestration.runs import Session

    if reason is not None:
        _accept_quarantine(partition_date, kind, reason)
    with spinner(f"the egress of {partition_date}"), Session(load_settings()) as session:
        session.pipeline.ledger.record_action(
            "egress",
            actor=actor(),
            acted_at=session.pipeline.now(),
            partition_date=partition_date,
            kind=kind,
            reason=reason,
        )
        outcome = session.egress(partition_date, _kinds(kind))
    return tell_outcome(partition_date, outcome.problems, success="delivered")


def _accept_quarantine(partition_date: date, kind: str | None, reason: str) -> None:
    """Records that what a rule has caught of a kind's records is accepted."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.gap import accept_gap

    if kind is None:
        raise UsageError("--accept-quarantine needs --kind: each kind is accepted by itself")
    context = Context(load_settings())
    accept_gap(
        context,
        partition_date,
        kind_named(kind),
        accepted_by=actor(),
        reason=reason,
        now=context.now(),
    )


@click.command()
@DATE
def reconcile(partition_date: date) -> int:
    """Set a day against BDN's acknowledgements."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.orchestration.runs import Session

    with spinner(f"reconciling {partition_date}"), Session(load_settings()) as session:
        outcome = session.reconcile(partition_date, _kinds(None))
    return tell_outcome(partition_date, outcome.problems, success="reconciled")


@click.command()
@click.option("--failed", "only_failed", is_flag=True, help="leave days that never ran alone")
@FROM
@TO
def backfill(only_failed: bool, first: date | None, last: date | None) -> int:
    """Run the egress of failed or missing days again, oldest first, then reconcile them."""
    from vye_pipeline.cli.progress import watched
    from vye_pipeline.orchestration.runs import Session
    from vye_pipeline.reporting.days import days_between

    settings = load_settings()
    with Session(settings) as session:
        now = session.pipeline.now()
        session.pipeline.ledger.record_action("backfill", actor=actor(), acted_at=now)
        days = session.pipeline.ledger.read(
            lambda connection: days_between(connection, settings, now, first, last)
        )
        results = session.backfill(days, only_failed=only_failed)
        failed = False
        for day, problems in watched(results, "running the days"):
            failed = tell_outcome(day, problems, success="delivered") == FAILED or failed
    return FAILED if failed else SUCCESS


@click.command()
@DATE
@click.option("--kind", type=KindName(), required=True, help="the kind whose file BDN asked for")
@click.option("--reason", type=Note(), required=True, help="why; no personal data")
def redeliver(partition_date: date, kind: str, reason: str) -> int:
    """Put a delivered file again, under its next revision, because BDN asked for it."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.redeliver import redeliver as put_again

    context = Context(load_settings())
    again = put_again(
        context,
        partition_date,
        kind_named(kind),
        requested_by=actor(),
        reason=reason,
        now=context.now(),
    )
    click.echo(f"{partition_date}: delivered again as {again.object_key}")
    return SUCCESS


def _kinds(kind: str | None) -> list[str]:
    return [kind] if kind else [one.name for one in KINDS]
