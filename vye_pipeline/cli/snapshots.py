"""Commands for the snapshots' keys."""

from __future__ import annotations

import click

from vye_pipeline.actor import actor
from vye_pipeline.settings import load_settings


@click.group()
def snapshots() -> None:
    """The encrypted snapshots."""


@snapshots.command("renew")
def snapshots_renew() -> None:
    """Encrypt every snapshot with the newest key, so that older ones can be withdrawn."""
    from vye_pipeline.cli.progress import spinner
    from vye_pipeline.context import Context

    context = Context(load_settings())
    store = context.snapshots
    context.ledger.record_action("snapshots renew", actor=actor(), acted_at=context.now())
    with spinner("encrypting with the newest key"):
        renewed = [store.renew(name) for name in store.names("")]
    click.echo(f"{sum(renewed)} of {len(renewed)} snapshots had an older key, and have the newest")
