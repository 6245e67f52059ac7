"""`vye hold`, `vye release`: a user profile's records are kept out of the files, or let go."""

from __future__ import annotations

from functools import partial

import click

from vye_pipeline.actor import actor
from vye_pipeline.cli.output import SUCCESS
from vye_pipeline.cli.words import KIND, Note
from vye_pipeline.errors import UsageError
from vye_pipeline.records import KINDS, kind_named
from vye_pipeline.settings import load_settings

PROFILE = click.argument("profile", metavar="PROFILE", type=int)


@click.command()
@PROFILE
@KIND
@click.option("--reason", type=Note(), required=True, help="why; no personal data")
def hold(profile: int, kind: str | None, reason: str) -> int:
    """Keep a user profile's records out of the files until they are released."""
    return _decide(profile, kind, reason, is_held=True)


@click.command()
@PROFILE
@KIND
@click.option("--reason", type=Note(), required=True, help="why; no personal data")
def release(profile: int, kind: str | None, reason: str) -> int:
    """Let a user profile's records go, with the next day that runs."""
    return _decide(profile, kind, reason, is_held=False)


def _decide(profile: int, kind: str | None, reason: str, *, is_held: bool) -> int:
    from vye_pipeline.context import Context
    from vye_pipeline.egress.hold import hold as decide
    from vye_pipeline.egress.hold import is_unknown
    from vye_pipeline.reporting.holds import what_follows

    context = Context(load_settings())
    if is_held and is_unknown(context, profile):
        raise UsageError(f"VYE has no user profile {profile}")
    changed = decide(
        context,
        profile,
        [kind_named(kind)] if kind else KINDS,
        is_held=is_held,
        reason=reason,
        decided_by=actor(),
        now=context.now(),
    )
    for one in changed:
        click.echo(f"user profile {profile}: {one.name} {'held back' if is_held else 'released'}")
        follows = partial(what_follows, user_profile_id=profile, kind=one, is_held=is_held)
        for line in context.ledger.read(follows):
            click.echo(f"  {line}")
    return SUCCESS
