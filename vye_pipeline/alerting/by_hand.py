"""Alarms about what people have begun and not finished: hand-overs and holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.ledger.holds import holds
from vye_pipeline.ledger.open_work import open_hand_overs
from vye_pipeline.settings import Settings


def of_hand_overs(connection: Connection, _settings: Settings, _now: datetime) -> list[Alarm]:
    """Says what is being handed over: no other file of its kind is sent meanwhile."""
    return [
        Alarm(
            f"hand-over of the {begun.kind} of {begun.partition_date}",
            frozenset({begun.begun_at.isoformat()}),
            f"The {begun.in_words()}. No other file of that kind is sent before somebody "
            f"types `{begun.decide_command()}`.",
            f"All clear: the hand-over of the {begun.kind} of {begun.partition_date} has ended.",
        )
        for begun in open_hand_overs(connection)
    ]


def of_holds(connection: Connection, settings: Settings, now: datetime) -> list[Alarm]:
    """Says which user profiles have been held back for long."""
    days = settings.hold_alert_days
    old = [one for one in holds(connection) if one.decided_at < now - timedelta(days=days)]
    if not old:
        return []
    listed = "; ".join(
        f"{one.kind} of user profile {one.user_profile_id} since {one.decided_at:%Y-%m-%d} "
        f"({one.reason})"
        for one in old
    )
    return [
        Alarm(
            "records held back",
            frozenset(f"{one.kind} {one.user_profile_id}" for one in old),
            f"Records have been held back for more than {days} days, and nobody is paid by them: "
            f"{listed}. Find out whether they may go out, then `vye release PROFILE`.",
            f"All clear: nothing has been held back for more than {days} days.",
        )
    ]
