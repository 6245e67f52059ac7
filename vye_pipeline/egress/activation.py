"""Whether VYE's jobs of a dawn have run: its import, and its activation of what was imported."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

from sqlalchemy import func, select, true

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.retries import retried
from vye_pipeline.vye_database.processing_flag import SWITCHED_OFF, is_switched_off
from vye_pipeline.vye_database.tables import BdnClone


@retried
def is_activated(context: Context, day: date) -> bool:
    """Says whether the active clone was imported on a day (New York), so that the last is ready.

    Raises:
        PipelineError: source: VYE's database can't be read.
    """
    query = select(func.max(BdnClone.created_at)).where(BdnClone.is_active == true())
    with context.vye.errors(), context.vye_engine.connect() as connection:
        imported_at: datetime | None = connection.scalar(query)
    if imported_at is None:
        return False
    return imported_at.replace(tzinfo=UTC).astimezone(NEW_YORK).date() == day


def why_not_activated(context: Context, otherwise: str) -> str:
    """Says why VYE has made no clone ready: that it was told not to, or something else.

    Args:
        context: VYE's database.
        otherwise: what is said where BDN processing is not switched off, or nobody can tell.
    """
    with suppress(PipelineError):
        if is_switched_off(context.vye, context.vye_engine):
            return SWITCHED_OFF
    return otherwise
