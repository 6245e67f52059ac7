"""Where the analysts' page is put: a folder or a bucket, in place of the page before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.ledger.days import days_on_record
from vye_pipeline.reporting.days import DAYS_SHOWN, days_between
from vye_pipeline.reporting.page.render import page
from vye_pipeline.storage.object_store import ObjectMissing, ObjectStore
from vye_pipeline.storage.stores import open_object_store

NAME = "report.html"
MADE_AT = re.compile(rb'<meta name="made-at" content="([^"]{1,40})">')


def publish(context: Context, days: Sequence[date], now: datetime) -> str:
    """Writes the analysts' page and returns where it is.

    Args:
        context: ledger, and the settings that say where.
        days: the partitions until now, oldest first.
        now: with zone.

    Raises:
        PipelineError: the ledger can't be read, or the page can't be written.
    """
    url = context.settings.report_store_url
    store = open_object_store(
        url,
        context.settings.server_side_encryption,
        allow_cleartext=context.settings.allow_cleartext,
    )
    content = page(context, days, now, made_before(store))
    store.put(NAME, content.encode())
    return f"{url.removeprefix('file://')}/{NAME}"


def days_on_page(context: Context, now: datetime) -> list[date]:
    """Returns the days that the ledger knows and the last business days, oldest first.

    Args:
        context: ledger, and the settings that say which days there are.
        now: with zone.
    """
    settings = context.settings
    newest = settings.calendar.latest_business_day(now)
    first = settings.calendar.business_days_after(newest, 1 - DAYS_SHOWN)
    return context.ledger.read(
        lambda connection: sorted(
            {*days_on_record(connection), *days_between(connection, settings, now, first)}
        )
    )


def made_before(store: ObjectStore) -> datetime | None:
    """Returns when the page that is there was made; None if there is none."""
    try:
        found = MADE_AT.search(store.get(NAME))
    except ObjectMissing:
        return None
    return datetime.fromisoformat(found[1].decode()) if found else None
