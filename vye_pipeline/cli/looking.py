"""What shows how days stand: `vye status`, `explain`, `doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from vye_pipeline.business_days import end_of_day
from vye_pipeline.cli.output import FAILED, SUCCESS, complain
from vye_pipeline.cli.words import AS_JSON, DATE, FROM, TO, IsoDate
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from vye_pipeline.egress.unclaimed import Unclaimed
    from vye_pipeline.ledger.membership import MembershipMixin


@click.command()
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
    from vye_pipeline.ledger.rows import orphans_in_words
    from vye_pipeline.reporting.calendar import calendar, orphans, with_deadlines, with_unclaimed
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
    rows = with_deadlines(rows, settings.calendar)
    if not as_of:
        rows = with_unclaimed(rows, unclaimed_or_none(settings, ledger))
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        show_calendar(rows)
        found = ledger.read(lambda connection: orphans(connection, days))
        show_lines(orphans_in_words(found))
        if is_bounded and days:
            show_older(settings.start_date, days)
    return SUCCESS


def unclaimed_or_none(settings: Settings, ledger: MembershipMixin) -> list[Unclaimed]:
    """Returns the records that wait for the next day to claim them; says so if nobody can tell."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress.unclaimed import find_unclaimed

    try:
        return find_unclaimed(Context(settings), ledger, datetime.now(UTC))
    except PipelineError as error:
        complain(f"records that became visible late can't be looked for: {error}")
        return []


def _verify(settings: Settings, days: Sequence[date], *, as_json: bool) -> int:
    """Compares what lies in the object store with the ledger, and names what differs."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.context import Context
    from vye_pipeline.egress.comparison import all_forgotten, unremembered
    from vye_pipeline.egress.redeliver import verify

    context = Context(settings)
    with spinner("reading every object"):
        results = verify(context, days)
        unknown = all_forgotten(context)
        missing = unremembered(context)
    wrong = [one for one in results if not one.state.is_right]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in results], indent=2))
    else:
        for one in wrong:
            click.echo(f"{one.sent.partition_date} {one.sent.kind}: {one.in_words()}")
        click.echo(f"{len(results) - len(wrong)} of {len(results)} objects are as they were sent")
    for key in unknown:
        complain(f"the ledger is older than the store: it doesn't know {key}. Next: vye recover")
    if missing:
        complain(f"{missing} deliveries are not remembered in the snapshots. Next: vye recover")
    return FAILED if wrong or unknown or missing else SUCCESS


@click.command()
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


@click.command()
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
