"""Commands for trying things out: VYE's database without VYE, answers without BDN."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from vye_pipeline.cli.words import DATE
from vye_pipeline.settings import load_settings


@click.group()
def database() -> None:
    """VYE's database, for trying things out."""


@database.command("create")
@click.option("--encrypted", is_flag=True, help="in production's shape (docs/production.md)")
def database_create(encrypted: bool) -> None:
    """Create VYE's tables at VYE_DATABASE_URL."""
    from vye_pipeline.vye_database.connection import vye_database
    from vye_pipeline.vye_database.creation import create_identities, create_tables
    from vye_pipeline.vye_database.identity_table import identity_database

    settings = load_settings()
    settings.folder.mkdir(parents=True, exist_ok=True)
    source = vye_database(settings)
    with source.errors():
        create_tables(source.engine(), encrypted=encrypted)
    url = settings.identities_url
    if encrypted and url is not None and "://" in url and not url.startswith("https:"):
        identities = identity_database(url, allow_cleartext=settings.allow_cleartext)
        with identities.errors():
            create_identities(identities.engine())
    click.echo("VYE's tables are there")


@database.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
def database_import(folder: Path) -> None:
    r"""Load one CSV a table from FOLDER (header row, \N for NULL)."""
    from vye_pipeline.vye_database.connection import vye_database
    from vye_pipeline.vye_database.creation import import_folder

    settings = load_settings()
    source = vye_database(settings)
    with source.errors():
        for table, loaded in import_folder(source.engine(), folder, settings).items():
            left_out = f"; left out: {', '.join(loaded.left_out)}" if loaded.left_out else ""
            click.echo(f"{table}: {loaded.rows} rows{left_out}")


@click.group()
def simulate() -> None:
    """A stand-in for BDN."""


@simulate.command("answer")
@DATE
@click.option("--reject", type=click.IntRange(min=0), default=0, help="lines to reject")
@click.option("--drop", type=click.IntRange(min=0), default=0, help="lines to lose")
@click.option("--garble", type=click.IntRange(min=0), default=0, help="lines to misread")
@click.option("--late", type=click.IntRange(min=0), default=0, help="lines to leave open")
@click.option("--refuse", is_flag=True, help="refuse the whole files")
def simulate_answer(
    partition_date: date, reject: int, drop: int, garble: int, late: int, refuse: bool
) -> None:
    """Answer the delivered files of a day as BDN would."""
    from vye_pipeline.context import Context
    from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition

    faults = Faults(reject=reject, drop=drop, garble=garble, late=late, refuse=refuse)
    store = Context(load_settings()).objects
    for key in answer_partition(store, partition_date, faults, received_at=datetime.now(UTC)):
        click.echo(key)


@simulate.command("feed")
@DATE
def simulate_feed(partition_date: date) -> None:
    """Write BDN's feed of the night after a day, as if all its lines had taken effect."""
    from vye_pipeline.context import Context
    from vye_pipeline.simulation.feed import write_feed

    settings = load_settings()
    feed_date = settings.calendar.business_days_after(partition_date, 1)
    click.echo(write_feed(Context(settings).objects, feed_date, partition_date))
