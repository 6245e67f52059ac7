"""`vye expire`: what may go, goes."""

from __future__ import annotations

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.output import FAILED, SUCCESS, complain
from vye_pipeline.cli.words import Note
from vye_pipeline.errors import UsageError
from vye_pipeline.settings import load_settings


@click.command()
@click.option("--dry-run", "is_rehearsed", is_flag=True, help="say what would be removed")
@click.option("--profile", type=int, help="erase what the snapshots hold of this user profile")
@click.option("--reason", type=Note(), help="why it is erased; no personal data")
def expire(is_rehearsed: bool, profile: int | None, reason: str | None) -> int:
    """Remove the content of settled days that are older than VYE_RETENTION_DAYS."""
    from vye_pipeline.context import Context
    from vye_pipeline.egress import expire as retention

    settings = load_settings()
    context = Context(settings)
    if profile is not None:
        if reason is None:
            raise UsageError("--profile needs --reason: who has data erased, and why, is recorded")
        expiry = retention.erase(
            context,
            profile,
            requested_by=actor(),
            reason=reason,
            now=context.now(),
            is_rehearsed=is_rehearsed,
        )
    elif settings.retention_days is None:
        click.echo("VYE_RETENTION_DAYS is not set: everything is kept")
        return SUCCESS
    else:
        now = context.now()
        if not is_rehearsed:
            context.ledger.record_action("expire", actor=actor(), acted_at=now)
        expiry = retention.expire(context, settings.retention_days, now, is_rehearsed=is_rehearsed)
    for day, kind in expiry.files:
        click.echo(f"{day} {kind}: {'would expire' if is_rehearsed else 'expired'}")
    for day, kind in expiry.kept:
        complain(f"{day} {kind} is kept, something of it is open: vye affected --date {day}")
    click.echo(f"{len(expiry.snapshots)} snapshots {'would go' if is_rehearsed else 'removed'}")
    return FAILED if expiry.kept else SUCCESS
