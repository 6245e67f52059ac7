"""What writes files for people: `vye report`, `export`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from vye_pipeline.cli.output import SUCCESS
from vye_pipeline.cli.words import IsoDate
from vye_pipeline.errors import UsageError
from vye_pipeline.settings import load_settings


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="where; by default VYE_REPORT_URL")
def report(out: Path | None) -> int:
    """Write the analysts' page: which days failed, who needs a person, what BDN rejects."""
    from vye_pipeline.context import Context
    from vye_pipeline.reporting.page.publish import days_on_page, publish
    from vye_pipeline.reporting.page.render import page

    context = Context(load_settings())
    now = context.now()
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


@click.group()
def export() -> None:
    """Write what the ledger knows to a file."""


@export.command("reconciliation")
@click.option("--from", "first", type=IsoDate(), required=True, help="the first day")
@click.option("--to", "last", type=IsoDate(), required=True, help="the last day")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="a Parquet file")
def export_reconciliation(first: date, last: date, out: Path) -> int:
    """Write a row per record of some days, with status, reason and next step."""
    from vye_pipeline.ledger.connection import LedgerConnection, open_as
    from vye_pipeline.reporting.exports import write_reconciliation

    count = write_reconciliation(out, open_as(LedgerConnection, load_settings()), first, last)
    click.echo(f"{out}: {count} rows")
    return SUCCESS


@export.command("resolutions")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="a CSV file")
def export_resolutions(out: Path) -> int:
    """Write what people have closed, as `vye resolve --from-csv` takes it."""
    from vye_pipeline.ledger.ledger import open_ledger
    from vye_pipeline.reporting.exports import write_csv
    from vye_pipeline.reporting.resolutions import COLUMNS, in_force

    found = in_force(open_ledger(load_settings()))
    write_csv(out, [vars(one) for one in found], COLUMNS)
    click.echo(f"{out}: {len(found)} resolutions")
    return SUCCESS
