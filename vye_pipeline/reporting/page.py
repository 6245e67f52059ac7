"""The analysts' page: how the days stand, who needs a person, why BDN rejects. One HTML file.

It shows what the analysts' views hold, so it holds no personal data either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Connection, text

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.ledger.ledger import Ledger
from vye_pipeline.records.statuses import MANUAL, Status
from vye_pipeline.reporting.calendar import DELIVERED, FAILED, MISSING, Day, calendar

TEMPLATE = "report.html.jinja"
ITEMS_SHOWN = 2_000


def report(ledger: Ledger, days: Sequence[date], now: datetime) -> str:
    """Returns the analysts' page.

    Args:
        ledger: with the views.
        days: the partitions to show, oldest first.
        now: when the page is made, with zone.

    Raises:
        PipelineError: the ledger can't be read.
    """
    with ledger.transaction() as connection:
        rows = calendar(connection, days)
        tables = {name: _rows(connection, query, days) for name, query in QUERIES.items()}
    ran = [day for day in rows if day.delivery != MISSING]
    return _template().render(
        made_at=now.astimezone(NEW_YORK),
        first=days[0] if days else None,
        last=days[-1] if days else None,
        days=_by_date(ran),
        missing_count=len({day.partition_date for day in rows} - {d.partition_date for d in ran}),
        failed=[day for day in ran if day.delivery == FAILED],
        delivered_count=sum(day.delivery == DELIVERED for day in ran),
        record_count=sum(day.export_ready for day in ran),
        statuses=list(Status),
        manual=[str(status) for status in MANUAL],
        open_profile_count=len({row["user_profile_id"] for row in tables["open_items"]} - {None}),
        items_shown=ITEMS_SHOWN,
        **tables,
    )


QUERIES = {
    "open_items": "SELECT * FROM manual_reconciliation_open "
    "WHERE partition_date BETWEEN :first AND :last "
    "ORDER BY since, user_profile_id, kind, record_id",
    "reasons": "SELECT kind, reason_code, meaning, suggested_action, "
    "sum(record_count) AS record_count, count(*) AS day_count FROM rejection_reasons "
    "WHERE partition_date BETWEEN :first AND :last "
    "GROUP BY kind, reason_code, meaning, suggested_action "
    "ORDER BY record_count DESC, kind, reason_code",
    "failures": "SELECT * FROM delivery_history WHERE event = 'failed' "
    "AND partition_date BETWEEN :first AND :last ORDER BY at DESC LIMIT 50",
}


def _rows(connection: Connection, query: str, days: Sequence[date]) -> list[dict[str, Any]]:
    if not days:
        return []
    span = {"first": str(days[0]), "last": str(days[-1])}
    return [dict(row._mapping) for row in connection.execute(text(query), span)]


def _by_date(rows: Sequence[Day]) -> list[tuple[date, list[Day]]]:
    """Groups the rows by day, the newest first."""
    groups = groupby(rows, key=lambda row: row.partition_date)
    return [(day, list(kinds)) for day, kinds in groups][::-1]


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)
