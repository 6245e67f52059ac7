"""What the analysts' page shows, asked of the ledger once.

Texts that many rows share are listed once and pointed to by their place, and so are the names of
fields, so that a year of days and thousands of open items stay a small page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, text

from vye_pipeline.business_days import NEW_YORK, BusinessCalendar, cut_off
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS, CLAIMS, DELIVERIES, RESOLUTIONS
from vye_pipeline.ledger.record_status import records
from vye_pipeline.ledger.views import open_items
from vye_pipeline.records import KINDS
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.calendar import CLOSED, MISSING, Day, calendar, with_deadlines
from vye_pipeline.reporting.days import days_with_open_work
from vye_pipeline.reporting.timeline import as_it_stands, events
from vye_pipeline.sql.engines import Query

DAYS_SHOWN = 250
ITEMS_SHOWN = 5_000
CLOSED_SHOWN = 500
KIND_NAMES = [kind.name for kind in KINDS]


@dataclass
class Texts:
    """Texts, each kept once, by their places."""

    listed: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, words: str | None) -> int | None:
        """Returns the place of a text, None of none."""
        if words is None:
            return None
        if words not in self._places:
            self._places[words] = len(self.listed)
            self.listed.append(words)
        return self._places[words]


def facts(
    connection: Connection,
    business_calendar: BusinessCalendar,
    days: Sequence[date],
    now: datetime,
    previous: datetime | None,
) -> dict[str, Any]:
    """Returns what the page shows, as JSON can hold it.

    Args:
        connection: to the ledger, in one transaction.
        business_calendar: by which waiting and deadlines are counted.
        days: all partitions until now, oldest first; the newest DAYS_SHOWN are shown.
        now: when the page is made, with zone.
        previous: when the page was made before this one; None the first time.
    """
    shown = list(days)[-DAYS_SHOWN:]
    first, last = (shown[0], shown[-1]) if shown else (date.max, date.min)
    texts = Texts()
    calendar_rows = with_deadlines(calendar(connection, shown), business_calendar)
    in_question = {*shown, *days_with_open_work(connection)}
    rows = connection.execute(_oldest_first(open_items(sorted(in_question)))).all()
    items = _items(rows[:ITEMS_SHOWN], business_calendar, texts, now)
    return {
        "made_at": _iso(now),
        "previous_at": _iso(previous),
        "kinds": KIND_NAMES,
        "statuses": [str(status) for status in Status],
        "days": _days(business_calendar, calendar_rows, _received(connection, first, last)),
        "events": _events(connection, first, last),
        "items": items,
        "profiles": _profiles(connection, texts, items),
        "rejections": _rejections(connection, texts, first, last),
        "closed": _closed(connection, rows),
        "changes": _changes(connection, rows, previous),
        "texts": texts.listed,
        "left_out": {"items": len(rows) - len(items), "days": len(days) - len(shown)},
    }


def _days(
    business_calendar: BusinessCalendar,
    rows: Sequence[Day],
    received: dict[tuple[date, str], int],
) -> list[dict[str, Any]]:
    return [
        {
            **day.as_json(),
            "lines_received": received.get((day.partition_date, day.kind)),
            "minutes_after_cut_off": _minutes_late(day),
            "standing": as_it_stands(day, business_calendar)
            if day.delivery not in {MISSING, CLOSED}
            else None,
        }
        for day in rows
    ]


def _received(connection: Connection, first: date, last: date) -> dict[tuple[date, str], int]:
    """Returns how many lines BDN says that it received, by day and kind, where it has answered."""
    rows = ACKNOWLEDGEMENTS.c
    query = (
        select(rows.partition_date, rows.kind, func.max(rows.lines_received))
        .where(rows.partition_date.between(first, last), rows.ignored_because.is_(None))
        .group_by(rows.partition_date, rows.kind)
    )
    return {(day, kind): lines for day, kind, lines in connection.execute(query)}


def _minutes_late(day: Day) -> int | None:
    if day.delivered_at is None:
        return None
    return round((day.delivered_at - cut_off(day.partition_date)).total_seconds() / 60)


def _events(connection: Connection, first: date, last: date) -> dict[str, list[list[Any]]]:
    """Returns what happened to each day, in order: at, kind, words."""
    listed: dict[str, list[list[Any]]] = {}
    for event in events(connection, first, last):
        row = [_iso(event.at), KIND_NAMES.index(event.kind), event.words]
        listed.setdefault(event.partition_date.isoformat(), []).append(row)
    return listed


def _oldest_first(items: Query) -> Query:
    each = items.subquery().c
    return select(*each).order_by(each.since, each.user_profile_id, each.kind, each.record_id)


def _items(
    rows: Sequence[Row[Any]], business_calendar: BusinessCalendar, texts: Texts, now: datetime
) -> list[dict[str, Any]]:
    """Returns what needs a person, oldest first."""
    today = now.astimezone(NEW_YORK).date()
    return [
        {
            "profile": row.user_profile_id,
            "day": row.partition_date.isoformat(),
            "kind": KIND_NAMES.index(row.kind),
            "record": row.record_id,
            "line": row.line_number,
            "status": row.status,
            "code": row.reason_code,
            "reason": texts.place(row.reason),
            "fields": row.fields,
            "step": texts.place(row.next_step),
            "waited": business_calendar.business_days_waited(
                row.since.astimezone(NEW_YORK).date(), today
            ),
            "moot": bool(row.is_moot),
            "evidence": row.evidence,
        }
        for row in rows
    ]


def _profiles(
    connection: Connection, texts: Texts, items: Sequence[dict[str, Any]]
) -> dict[str, list[Any]]:
    """Returns all submissions of the profiles with open items, oldest first.

    Each is its day, kind, status and, where there is one, reason code, by their places: the kind's
    among the kinds, the others' among the texts.
    """
    wanted = sorted({item["profile"] for item in items if item["profile"] is not None})
    each = records().where(CLAIMS.c.user_profile_id.in_(wanted)).subquery().c
    columns = (each.user_profile_id, each.partition_date, each.kind, each.status, each.reason_code)
    query = select(*columns).order_by(each.user_profile_id, each.partition_date, each.kind)
    listed: dict[str, list[Any]] = {}
    for profile, day, kind, status, code in connection.execute(query):
        row = [texts.place(day.isoformat()), KIND_NAMES.index(kind), texts.place(status)]
        because = [] if code is None else [texts.place(code)]
        listed.setdefault(str(profile), []).append(row + because)
    return listed


def _rejections(
    connection: Connection, texts: Texts, first: date, last: date
) -> list[dict[str, Any]]:
    query = text(
        "SELECT partition_date, kind, reason_code, meaning, record_count FROM rejection_reasons "
        "WHERE partition_date BETWEEN :first AND :last ORDER BY partition_date, kind, reason_code"
    )
    rows = connection.execute(query, {"first": str(first), "last": str(last)})
    return [
        {
            "day": str(row.partition_date),
            "kind": KIND_NAMES.index(row.kind),
            "code": row.reason_code or "none",
            "meaning": texts.place(row.meaning),
            "records": row.record_count,
        }
        for row in rows
    ]


def _closed(connection: Connection, items: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Returns the newest closings, and whether something of the same profile is open again."""
    is_open = {(item.partition_date, item.kind, item.user_profile_id) for item in items}
    newest = select(RESOLUTIONS).order_by(RESOLUTIONS.c.id.desc()).limit(CLOSED_SHOWN)
    return [
        {
            "profile": row.user_profile_id,
            "day": row.partition_date.isoformat(),
            "kind": KIND_NAMES.index(row.kind),
            "at": _iso(row.resolved_at),
            "by": row.resolved_by,
            "note": row.note,
            "reopened": (row.partition_date, row.kind, row.user_profile_id) in is_open,
        }
        for row in connection.execute(newest)
    ]


def _changes(
    connection: Connection, items: Sequence[Row[Any]], previous: datetime | None
) -> dict[str, int] | None:
    """Counts what is new since the page before this one."""
    if previous is None:
        return None
    counts = {
        "delivered": (DELIVERIES, DELIVERIES.c.delivered_at),
        "answered": (ACKNOWLEDGEMENTS, ACKNOWLEDGEMENTS.c.recorded_at),
        "closed": (RESOLUTIONS, RESOLUTIONS.c.resolved_at),
    }
    changes = {
        name: connection.scalar(select(func.count()).select_from(table).where(at > previous)) or 0
        for name, (table, at) in counts.items()
    }
    return changes | {"opened": sum(item.since > previous for item in items)}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def packed(facts: dict[str, Any]) -> dict[str, Any]:
    """Returns facts with the names of each list's fields once: `fields` and `rows`."""
    return {name: _packed(value) for name, value in facts.items()}


def _packed(value: Any) -> Any:
    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return value
    return {"fields": list(value[0]), "rows": [list(row.values()) for row in value]}
