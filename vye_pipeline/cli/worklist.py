"""What people work off: `vye affected`, `resolve`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.looking import unclaimed_or_none
from vye_pipeline.cli.output import SUCCESS
from vye_pipeline.cli.words import AS_JSON, KIND, IsoDate, Note
from vye_pipeline.errors import UsageError
from vye_pipeline.outlets import Outlet, let_out
from vye_pipeline.settings import load_settings


@click.command()
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
        for record in unclaimed_or_none(settings, ledger)
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
    context = Context(load_settings())
    known = look_up(context, profile, looked_up_by=actor(), reason=reason, now=context.now())
    if known is None:
        click.echo(f"user profile {profile} has given no telephone number or e-mail address")
    else:
        for way, value in vars(known).items():
            click.echo(f"{way:<8}{let_out(value or '—', Outlet.TERMINAL)}")
    return SUCCESS


@click.command()
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
    from vye_pipeline.context import Context
    from vye_pipeline.reporting import resolutions

    if csv_file is not None:
        wanted = resolutions.read_resolutions(csv_file)
    elif profile is None or day is None or note is None:
        raise UsageError("give PROFILE, --date and --note, or --from-csv FILE")
    else:
        wanted = [resolutions.Resolution(profile, day, kind, note)]
    context = Context(load_settings())
    closed = resolutions.resolve(context.ledger, wanted, resolved_by=actor(), now=context.now())
    for one, kinds in closed:
        click.echo(
            f"{one.partition_date}: {', '.join(kinds)} of user profile "
            f"{one.user_profile_id} resolved"
        )
    return SUCCESS
