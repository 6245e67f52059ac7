"""`vye …`: the commands for people at a terminal (command-line.md).

Each command checks its words, calls one plain function and prints. What needs dagster or pandas is
imported by the command that uses it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vye_pipeline.actor import actor
from vye_pipeline.business_days import end_of_day
from vye_pipeline.cli.recovery import recover
from vye_pipeline.cli.sandbox import database, simulate
from vye_pipeline.cli.snapshots import snapshots
from vye_pipeline.cli.words import DATE, IsoDate, KindName, Note
from vye_pipeline.containment import contained
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.outlets import Outlet, let_out
from vye_pipeline.records import KINDS, kind_named
from vye_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from vye_pipeline.egress.unclaimed import Unclaimed
    from vye_pipeline.ledger.membership import MembershipMixin

SUCCESS, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; errors are one line on stderr."""
    code, error = contained(lambda: _run(arguments), interrupts=(KeyboardInterrupt, click.Abort))
    if error is None:
        return code or SUCCESS
    if isinstance(error, KeyboardInterrupt | click.Abort):
        _complain("interrupted; the same command takes up where it stopped")
        return INTERRUPTED
    _complain(str(error))
    return BAD_USAGE if isinstance(error, UsageError) else FAILED


def _run(arguments: Sequence[str]) -> int:
    """Runs a command; what click refuses is bad usage like any other."""
    try:
        return vye.main(list(arguments), prog_name="vye", standalone_mode=False) or SUCCESS
    except click.ClickException as error:
        refusal = UsageError(error.format_message())
    raise refusal


def _complain(text: str) -> None:
    click.echo(f"vye: {let_out(' '.join(text.split()), Outlet.TERMINAL)}", err=True)


KIND = click.option("--kind", type=KindName(), help="only this kind")
FROM = click.option("--from", "first", type=IsoDate(), help="the first day")
TO = click.option("--to", "last", type=IsoDate(), help="the last day")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


# https://no-color.org; without a terminal nothing is coloured anyway.
COLOUR = False if os.environ.get("NO_COLOR") else None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "color": COLOUR})
def vye() -> None:
    """A business day's submissions, carried from VYE to BDN and accounted for one by one."""


@vye.command()
def demo() -> int:
    """Run ten sample days with failures, and repair them."""
    from vye_pipeline.cli.demo import run_demo

    run_demo(load_settings())
    return SUCCESS


@vye.command()
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
            acted_at=datetime.now(UTC),
            partition_date=partition_date,
            kind=kind,
            reason=reason,
        )
        outcome = session.egress(partition_date, _kinds(kind))
    return _tell(partition_date, outcome.problems, success="delivered")


def _accept_quarantine(partition_date: date, kind: str | None, reason: str) -> None:
    """Records that what a rule has caught of a kind's records is accepted."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.gap import accept_gap

    if kind is None:
        raise UsageError("--accept-quarantine needs --kind: each kind is accepted by itself")
    accept_gap(
        Context(load_settings()),
        partition_date,
        kind_named(kind),
        accepted_by=actor(),
        reason=reason,
        now=datetime.now(UTC),
    )


@vye.command()
@DATE
def reconcile(partition_date: date) -> int:
    """Set a day against BDN's acknowledgements."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.orchestration.runs import Session

    with spinner(f"reconciling {partition_date}"), Session(load_settings()) as session:
        outcome = session.reconcile(partition_date, _kinds(None))
    return _tell(partition_date, outcome.problems, success="reconciled")


@vye.command()
@click.option("--failed", "only_failed", is_flag=True, help="leave days that never ran alone")
@FROM
@TO
def backfill(only_failed: bool, first: date | None, last: date | None) -> int:
    """Run the egress of failed or missing days again, oldest first, then reconcile them."""
    from vye_pipeline.cli.progress import watched
    from vye_pipeline.orchestration.runs import Session
    from vye_pipeline.reporting.days import days_between

    settings, now = load_settings(), datetime.now(UTC)
    with Session(settings) as session:
        session.pipeline.ledger.record_action("backfill", actor=actor(), acted_at=now)
        days = session.pipeline.ledger.read(
            lambda connection: days_between(connection, settings, now, first, last)
        )
        results = session.backfill(days, only_failed=only_failed)
        failed = False
        for day, problems in watched(results, "running the days"):
            failed = _tell(day, problems, success="delivered") == FAILED or failed
    return FAILED if failed else SUCCESS


@vye.command()
@DATE
@click.option("--kind", type=KindName(), required=True, help="the kind whose file BDN asked for")
@click.option("--reason", type=Note(), required=True, help="why; no personal data")
def redeliver(partition_date: date, kind: str, reason: str) -> int:
    """Put a delivered file again, under its next revision, because BDN asked for it."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.redeliver import redeliver as put_again

    again = put_again(
        Context(load_settings()),
        partition_date,
        kind_named(kind),
        requested_by=actor(),
        reason=reason,
        now=datetime.now(UTC),
    )
    click.echo(f"{partition_date}: delivered again as {again.object_key}")
    return SUCCESS


@vye.command()
@FROM
@TO
@AS_JSON
@click.option("--verify", "is_verifying", is_flag=True, help="read every object and compare it")
@click.option("--as-of", type=IsoDate(), help="what was known at the end of that day in New York")
def status(
    first: date | None,
    last: date | None,
    as_json: bool,
    is_verifying: bool,
    as_of: date | None,
) -> int:
    """Show how each day and kind stands."""
    from vye_pipeline.cli.tables import show_calendar, show_lines, show_older
    from vye_pipeline.ledger.connection import open_as
    from vye_pipeline.ledger.membership import MembershipMixin
    from vye_pipeline.ledger.record_status import NOW
    from vye_pipeline.reporting.calendar import calendar, orphans, with_unclaimed
    from vye_pipeline.reporting.days import days_between, days_shown

    if is_verifying and as_of:
        raise UsageError("--verify looks at the objects as they are now: leave --as-of away")
    settings, now = load_settings(), datetime.now(UTC)
    ledger = open_as(MembershipMixin, settings)
    is_bounded = not (first or last or is_verifying or as_of)
    days = ledger.read(
        lambda connection: (
            days_shown(connection, settings, now)
            if is_bounded
            else days_between(connection, settings, now, first, last)
        )
    )
    if is_verifying:
        return _verify(settings, days, as_json=as_json)
    known_at = end_of_day(as_of) if as_of else NOW
    rows = ledger.read(lambda connection: calendar(connection, days, known_at))
    if not as_of:
        rows = with_unclaimed(rows, _unclaimed(settings, ledger))
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        show_calendar(rows)
        found = ledger.read(lambda connection: orphans(connection, days))
        show_lines(orphan.in_words() for orphan in found)
        if is_bounded and days:
            show_older(settings.start_date, days)
    return SUCCESS


def _unclaimed(settings: Settings, ledger: MembershipMixin) -> list[Unclaimed]:
    """Returns the records that wait for the next day to claim them; says so if nobody can tell."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.unclaimed import find_unclaimed

    try:
        return find_unclaimed(Context(settings), ledger, datetime.now(UTC))
    except PipelineError as error:
        _complain(f"records that became visible late can't be looked for: {error}")
        return []


def _verify(settings: Settings, days: Sequence[date], *, as_json: bool) -> int:
    """Compares what lies in the object store with the ledger, and names what differs."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.context import Context
    from vye_pipeline.egress.comparison import all_forgotten
    from vye_pipeline.egress.redeliver import ObjectState, verify

    context = Context(settings)
    with spinner("reading every object"):
        results = verify(context, days)
        unknown = all_forgotten(context, datetime.now(UTC))
    wrong = [one for one in results if one.state != ObjectState.INTACT]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in results], indent=2))
    else:
        for one in wrong:
            click.echo(f"{one.sent.partition_date} {one.sent.kind}: {one.in_words()}")
        click.echo(f"{len(results) - len(wrong)} of {len(results)} objects are as they were sent")
    for key in unknown:
        _complain(f"the ledger is older than the store: it doesn't know {key}. Next: vye recover")
    return FAILED if wrong or unknown else SUCCESS


@vye.command()
def doctor() -> int:
    """Check settings, connections, rights and pending migrations."""
    from vye_pipeline.cli.doctor import examine
    from vye_pipeline.cli.health import Health
    from vye_pipeline.cli.services import examine_surroundings
    from vye_pipeline.cli.tables import show_finding

    settings, now = load_settings(), datetime.now(UTC)
    worst = SUCCESS
    for examination in (examine, examine_surroundings):
        for finding in examination(settings, now):
            show_finding(finding)
            worst = FAILED if finding.health == Health.BAD else worst
    return worst


@vye.command()
@DATE
def explain(partition_date: date) -> int:
    """Say in plain words what happened to a day, and what is open."""
    from vye_pipeline.cli.tables import show_lines
    from vye_pipeline.ledger.connection import LedgerConnection, open_as
    from vye_pipeline.reporting.timeline import timeline

    settings = load_settings()
    ledger = open_as(LedgerConnection, settings)
    lines = ledger.read(lambda connection: timeline(connection, partition_date, settings.calendar))
    show_lines(lines)
    return SUCCESS


@vye.command()
@click.option("--date", "day", type=IsoDate(), help="only this day")
@KIND
@AS_JSON
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="write a CSV file")
@click.option("--xlsx", "xlsx_file", type=click.Path(path_type=Path), help="write a workbook")
@click.option("--contact", "profile", type=int, help="show how to reach this user profile")
@click.option("--reason", type=Note(), help="why the contact details are looked up")
def affected(
    day: date | None,
    kind: str | None,
    as_json: bool,
    csv_file: Path | None,
    xlsx_file: Path | None,
    profile: int | None,
    reason: str | None,
) -> int:
    """List the user profiles whose records did not reach BDN or need a person."""
    if profile is not None:
        return _show_contact(profile, reason)
    from vye_pipeline.cli.tables import show_affected
    from vye_pipeline.ledger.connection import open_as
    from vye_pipeline.ledger.membership import MembershipMixin
    from vye_pipeline.reporting.calendar import Affected, as_affected
    from vye_pipeline.reporting.calendar import affected as read_affected
    from vye_pipeline.reporting.days import days_shown
    from vye_pipeline.reporting.exports import write_csv, write_xlsx

    settings, now = load_settings(), datetime.now(UTC)
    ledger = open_as(MembershipMixin, settings)
    days = [day] if day else ledger.read(lambda connection: days_shown(connection, settings, now))
    items = ledger.read(lambda connection: read_affected(connection, days, kind) if days else [])
    items += [
        as_affected(record)
        for record in _unclaimed(settings, ledger)
        if record.partition_date in days and kind in {None, record.kind}
    ]
    rows, columns = [vars(item) for item in items], list(Affected.__dataclass_fields__)
    if csv_file is not None:
        write_csv(csv_file, rows, columns)
    if xlsx_file is not None:
        write_xlsx(xlsx_file, rows, columns)
    if as_json:
        click.echo(json.dumps([item.as_json() for item in items], indent=2))
    elif csv_file is None and xlsx_file is None:
        show_affected(items)
    return SUCCESS


def _show_contact(profile: int, reason: str | None) -> int:
    """Prints a veteran's contact details to a terminal, nowhere else, once it is recorded why."""
    from vye_pipeline.context import Context
    from vye_pipeline.reporting.contacts import look_up

    if reason is None:
        raise UsageError("--contact needs --reason: who looks a veteran up, and why, is recorded")
    if not sys.stdout.isatty():
        raise UsageError("contact details are shown at a terminal only: don't redirect them")
    known = look_up(
        Context(load_settings()),
        profile,
        looked_up_by=actor(),
        reason=reason,
        now=datetime.now(UTC),
    )
    if known is None:
        click.echo(f"user profile {profile} has given no telephone number or e-mail address")
    else:
        for way, value in vars(known).items():
            click.echo(f"{way:<8}{let_out(value or '—', Outlet.TERMINAL)}")
    return SUCCESS


@vye.command()
@click.argument("profile", metavar="PROFILE", type=int, required=False)
@click.option("--date", "day", type=IsoDate(), help="the day of the records")
@KIND
@click.option("--note", type=Note(), help="what was done; no personal data")
@click.option(
    "--from-csv",
    "csv_file",
    type=click.Path(path_type=Path),
    help="many at once: user_profile_id, partition_date, kind, note",
)
def resolve(
    profile: int | None, day: date | None, kind: str | None, note: str | None, csv_file: Path | None
) -> int:
    """Record that a person has reconciled user profiles' records of a day."""
    from vye_pipeline.ledger.ledger import open_ledger
    from vye_pipeline.reporting import resolutions

    if csv_file is not None:
        wanted = resolutions.read_resolutions(csv_file)
    elif profile is None or day is None or note is None:
        raise UsageError("give PROFILE, --date and --note, or --from-csv FILE")
    else:
        wanted = [resolutions.Resolution(profile, day, kind, note)]
    closed = resolutions.resolve(
        open_ledger(load_settings()), wanted, resolved_by=actor(), now=datetime.now(UTC)
    )
    for one, kinds in closed:
        click.echo(
            f"{one.partition_date}: {', '.join(kinds)} of user profile "
            f"{one.user_profile_id} resolved"
        )
    return SUCCESS


@vye.group()
def export() -> None:
    """Write what the ledger knows to a file."""


@export.command("reconciliation")
@click.option("--from", "first", type=IsoDate(), required=True, help="the first day")
@click.option("--to", "last", type=IsoDate(), required=True, help="the last day")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="a Parquet file")
def export_reconciliation(first: date, last: date, out: Path) -> int:
    """Write a row a record of some days, with status, reason and next step."""
    from vye_pipeline.ledger.connection import LedgerConnection, open_as
    from vye_pipeline.reporting.exports import write_reconciliation

    count = write_reconciliation(out, open_as(LedgerConnection, load_settings()), first, last)
    click.echo(f"{out}: {count} rows")
    return SUCCESS


@vye.command()
@click.option("--dry-run", "is_rehearsed", is_flag=True, help="say what would be removed")
@click.option("--profile", type=int, help="erase what the snapshots hold of this user profile")
@click.option("--reason", type=Note(), help="why it is erased; no personal data")
def expire(is_rehearsed: bool, profile: int | None, reason: str | None) -> int:
    """Remove the content of settled days that are older than VYE_RETENTION_DAYS."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress import expire as retention

    settings, now = load_settings(), datetime.now(UTC)
    if profile is not None:
        if reason is None:
            raise UsageError("--profile needs --reason: who has data erased, and why, is recorded")
        expiry = retention.erase(
            Context(settings),
            profile,
            requested_by=actor(),
            reason=reason,
            now=now,
            is_rehearsed=is_rehearsed,
        )
    elif settings.retention_days is None:
        click.echo("VYE_RETENTION_DAYS is not set: everything is kept")
        return SUCCESS
    else:
        context = Context(settings)
        if not is_rehearsed:
            context.ledger.record_action("expire", actor=actor(), acted_at=now)
        expiry = retention.expire(context, settings.retention_days, now, is_rehearsed=is_rehearsed)
    for day, kind in expiry.files:
        click.echo(f"{day} {kind}: {'would expire' if is_rehearsed else 'expired'}")
    for day, kind in expiry.kept:
        _complain(f"{day} {kind} is kept, something of it is open: vye affected --date {day}")
    click.echo(f"{len(expiry.snapshots)} snapshots {'would go' if is_rehearsed else 'removed'}")
    return FAILED if expiry.kept else SUCCESS


@vye.command()
@click.option("--out", type=click.Path(path_type=Path), help="where; by default VYE_REPORT_URL")
def report(out: Path | None) -> int:
    """Write the analysts' page: which days failed, who needs a person, what BDN rejects."""
    from vye_pipeline.context import Context
    from vye_pipeline.reporting.page.publish import days_on_page, publish
    from vye_pipeline.reporting.page.render import page

    context, now = Context(load_settings()), datetime.now(UTC)
    days = days_on_page(context, now)
    if out is None:
        click.echo(publish(context, days, now))
        return SUCCESS
    try:
        out.write_text(page(context, days, now), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}") from None
    click.echo(str(out))
    return SUCCESS


vye.add_command(database)
vye.add_command(recover)
vye.add_command(simulate)
vye.add_command(snapshots)


def _tell(partition_date: date, problems: Sequence[str], *, success: str) -> int:
    """Prints how a day's run ended, a line a problem, and returns the exit code."""
    click.echo(f"{partition_date}: {'failed' if problems else success}")
    for problem in problems:
        _complain(problem)
    return FAILED if problems else SUCCESS


def _kinds(kind: str | None) -> list[str]:
    return [kind] if kind else [one.name for one in KINDS]
