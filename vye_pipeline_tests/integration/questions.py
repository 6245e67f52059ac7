"""What people and the daemon ask of a pipeline, by name: for those who time it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy import Connection

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.cli.doctor import examine
from vye_pipeline.context import Context
from vye_pipeline.egress.clone_flags import look_at_clones
from vye_pipeline.egress.due import due_days
from vye_pipeline.ledger.days import newest_on_record
from vye_pipeline.orchestration.arrivals import days_that_can_change, listing_of
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.days import days_shown
from vye_pipeline.reporting.page.publish import days_on_page, publish
from vye_pipeline.reporting.timeline import timeline


def questions(pipeline: Context, now: datetime) -> dict[str, Callable[[], object]]:
    """Returns what people and the daemon ask, by name."""
    settings, ledger = pipeline.settings, pipeline.ledger

    def shown(connection: Connection) -> list[date]:
        return days_shown(connection, settings, now)

    def scheduled() -> None:
        look_at_clones(pipeline, now)
        due_days(pipeline, now)

    return {
        "status": lambda: ledger.read(lambda one: calendar(one, shown(one))),
        "affected": lambda: ledger.read(lambda one: affected(one, shown(one))),
        "explain": lambda: ledger.read(
            lambda one: timeline(one, newest_on_record(one, 1)[0], settings.calendar)
        ),
        "report": lambda: publish(pipeline, days_on_page(pipeline, now), now),
        "doctor": lambda: list(examine(settings, now)),
        "schedule": scheduled,
        "arrivals": lambda: listing_of(pipeline, days_that_can_change(pipeline, now)),
        "watch": lambda: alarms(pipeline, now),
    }
