"""The analysts' tables: views over the ledger with stable, documented columns, no personal data.

Each is declared once, with what its columns mean; docs/analysts.md and PostgreSQL's comments come
from here. Views hold nothing, so they are made anew whenever the ledger is brought to a revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import (
    Connection,
    and_,
    case,
    func,
    inspect,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
)

from vye_pipeline.ledger.audit_views import AUDIT_VIEWS
from vye_pipeline.ledger.columns import PARTITION, RECORD
from vye_pipeline.ledger.explanation import explained
from vye_pipeline.ledger.models import (
    DELIVERIES,
    FAILURES,
    FILES,
    REASON_CODES,
    RECONCILIATIONS,
    REDELIVERIES,
    REPLACED,
    RESOLUTIONS,
)
from vye_pipeline.ledger.record_status import (
    records,
    same_partition,
    unexpected,
)
from vye_pipeline.ledger.rows import PUT
from vye_pipeline.ledger.view import View
from vye_pipeline.records.statuses import (
    MANUAL,
    OF_A_LINE,
    UNSETTLED,
    Status,
)
from vye_pipeline.sql.engines import Query


def _by_day() -> View:
    each = union_all(records(), unexpected()).subquery()
    counts = {
        f"{status}_count": func.count().filter(each.c.status == str(status)) for status in Status
    }
    lines = func.count().filter(each.c.status.in_([str(status) for status in OF_A_LINE]))
    is_delivered = func.max(case((DELIVERIES.c.fingerprint.is_not(None), 1), else_=0))
    unsettled = func.count().filter(each.c.status.in_([str(status) for status in UNSETTLED]))
    query = (
        select(
            each.c.partition_date,
            each.c.kind,
            case((is_delivered == 1, "delivered"), else_="failed"),
            func.max(DELIVERIES.c.delivered_at),
            func.count().filter(each.c.status.not_in([REPLACED, str(Status.UNEXPECTED)])),
            func.count().filter(each.c.status == REPLACED),
            lines,
            *counts.values(),
            and_(is_delivered == 1, unsettled == 0),
        )
        .outerjoin(DELIVERIES, same_partition(DELIVERIES, each))
        .group_by(each.c.partition_date, each.c.kind)
    )
    return View(
        "reconciliation_by_day",
        "One row per business day and kind that had records: how many have which status.",
        {
            **PARTITION,
            "delivery": "delivered, or failed",
            "delivered_at": "when the receipt was written; null if not delivered",
            "export_ready_count": "the day's records, without the replaced",
            "replaced_count": "records that a newer one by the same user_info replaced",
            "line_count": "records rendered into the file",
            **{name: f"records that are {name.removesuffix('_count')}" for name in counts},
            "is_settled": "whether no record is pending or undelivered",
        },
        query,
    )


OPEN_ITEM = {
    **PARTITION,
    **RECORD,
    "since": "from when this status was known",
    "is_moot": "whether a newer submission of the kind by the user profile was delivered",
    "evidence": "confirmed_by_feed or contradicted_by_feed; null if BDN's feed is silent",
    "evidence_fields": "the fields that the feed contradicts, separated by commas",
}


def open_items(days: Sequence[date] | None = None) -> Query:
    """Returns the query of what needs a person now: of some days, or of all.

    Columns: those of the view manual_reconciliation_open.
    """
    each = explained(union_all(records(days=days), unexpected(days=days)).subquery())
    columns = [each.c[name] for name in OPEN_ITEM]
    query = select(*columns).where(each.c.needs_manual_reconciliation, each.c.resolved_at.is_(None))
    return query if days is None else query.where(each.c.partition_date.in_(days))


def reconciled_records(kind: str, first: date, last: date) -> Query:
    """Returns the query of what became of each record of some days, without the replaced.

    Columns: PARTITION and RECORD (columns.py).
    """
    each = explained(union_all(records(), unexpected()).subquery()).c
    return (
        select(*(each[name] for name in (*PARTITION, *RECORD)))
        .where(each.kind == kind, each.partition_date.between(first, last), each.status != REPLACED)
        .order_by(each.partition_date, each.line_number, each.record_id)
    )


def deliveries(kind: str, first: date, last: date) -> Query:
    """Returns the query of the view delivery_history for a kind and some days."""
    each = _delivery_history().query.subquery().c
    return (
        select(*each)
        .where(each.kind == kind, each.partition_date.between(first, last))
        .order_by(each.partition_date, each.at)
    )


def _manual_open() -> View:
    return View(
        "manual_reconciliation_open",
        "One row per record that needs a person now.",
        OPEN_ITEM,
        open_items(),
    )


def _manual_history() -> View:
    claimed = select(
        RECONCILIATIONS.c.partition_date,
        RECONCILIATIONS.c.kind,
        RECONCILIATIONS.c.user_profile_id,
        RECONCILIATIONS.c.record_id,
        RECONCILIATIONS.c.line_number,
        RECONCILIATIONS.c.status,
        RECONCILIATIONS.c.reason_code,
        RECONCILIATIONS.c.acknowledgement_key,
        RECONCILIATIONS.c.reconciled_at.label("since"),
        RECONCILIATIONS.c.replaced_at.label("until"),
    ).where(RECONCILIATIONS.c.status.in_([str(status) for status in MANUAL]))
    each = claimed.subquery()
    closing = and_(
        same_partition(RESOLUTIONS, each),
        RESOLUTIONS.c.user_profile_id == each.c.user_profile_id,
        RESOLUTIONS.c.resolved_at >= each.c.since,
        or_(each.c.until.is_(None), RESOLUTIONS.c.resolved_at < each.c.until),
    )
    closings = (RESOLUTIONS.c.resolved_at, RESOLUTIONS.c.resolved_by, RESOLUTIONS.c.note)
    query = select(*each.c, *closings).outerjoin(RESOLUTIONS, closing)
    kept = ("user_profile_id", "record_id", "line_number", "status", "reason_code")
    return View(
        "manual_reconciliation_history",
        "One row each time a record needed a person, and a closing of it.",
        {
            **PARTITION,
            **{name: RECORD[name] for name in kept},
            "acknowledgement_key": "the acknowledgement that said so; null if none did",
            "since": "from when this status was known",
            "until": "when another one took its place; null if none has",
            "resolved_at": "when a person closed it; null if nobody has",
            "resolved_by": "who did",
            "note": "what was done",
        },
        query,
    )


def rejection_reasons(days: Sequence[date] | None = None) -> Query:
    """Returns the query of why BDN rejected records: of some days, or of all.

    Columns: those of the view rejection_reasons.
    """
    each = records(days=days).subquery().c
    query = (
        select(
            each.partition_date,
            each.kind,
            each.reason_code,
            REASON_CODES.c.meaning,
            REASON_CODES.c.suggested_action,
            func.count().label("record_count"),
            func.count(each.user_profile_id.distinct()).label("user_profile_count"),
        )
        .outerjoin(REASON_CODES, REASON_CODES.c.code == each.reason_code)
        .where(each.status == str(Status.REJECTED))
        .group_by(
            each.partition_date,
            each.kind,
            each.reason_code,
            REASON_CODES.c.meaning,
            REASON_CODES.c.suggested_action,
        )
    )
    return query if days is None else query.where(each.partition_date.in_(days))


def _rejection_reasons() -> View:
    return View(
        "rejection_reasons",
        "One row per business day, kind and reason for which BDN rejected records.",
        {
            **PARTITION,
            "reason_code": "BDN's",
            "meaning": "what the code means; null for one that is not in reason_codes",
            "suggested_action": "what to do about it",
            "record_count": "records rejected for it",
            "user_profile_count": "user profiles that they belong to",
        },
        rejection_reasons(),
    )


def _delivery_history() -> View:
    delivered = select(
        DELIVERIES.c.partition_date,
        DELIVERIES.c.kind,
        literal("delivered").label("event"),
        DELIVERIES.c.delivered_at.label("at"),
        DELIVERIES.c.object_key,
        DELIVERIES.c.fingerprint,
        DELIVERIES.c.line_count,
        null().label("cause"),
        null().label("what"),
        DELIVERIES.c.way.label("way"),
    )
    again = select(
        REDELIVERIES.c.partition_date,
        REDELIVERIES.c.kind,
        literal("delivered again"),
        REDELIVERIES.c.redelivered_at,
        REDELIVERIES.c.object_key,
        REDELIVERIES.c.fingerprint,
        DELIVERIES.c.line_count,
        null(),
        REDELIVERIES.c.reason,
        literal(PUT),
    ).join(DELIVERIES, same_partition(DELIVERIES, REDELIVERIES))
    failed = select(
        FAILURES.c.partition_date,
        FAILURES.c.kind,
        literal("failed"),
        FAILURES.c.failed_at,
        FILES.c.object_key,
        null(),
        FAILURES.c.record_count,
        FAILURES.c.cause,
        FAILURES.c.what,
        null(),
    ).outerjoin(FILES, same_partition(FILES, FAILURES))
    each = union_all(delivered, again, failed).subquery()
    return View(
        "delivery_history",
        "One row per delivery, a redelivery or a failed step of a business day and kind.",
        {
            **PARTITION,
            "event": "delivered, delivered again, or failed",
            "at": "when; null for a redelivery that is not finished",
            "object_key": "where the file lies or was to lie; null if nothing had been read yet",
            "fingerprint": "a keyed digest of the file; null for a failure",
            "line_count": "lines of the file, or records that the failure held back",
            "cause": "of a failure: upload, source, storage, ledger or defect",
            "what": "what went wrong, or why it was delivered again",
            "way": "how it reached BDN: `put` (uploaded) or `by hand`; null for a failure",
        },
        select(*each.c),
    )


VIEWS = (
    _by_day(),
    _manual_open(),
    _manual_history(),
    _rejection_reasons(),
    _delivery_history(),
    *AUDIT_VIEWS,
)


def drop_views(connection: Connection) -> None:
    """Removes the views, so that the tables below them can change."""
    for name in inspect(connection).get_view_names():
        connection.execute(text(f"DROP VIEW {name}"))


def create_views(connection: Connection) -> None:
    """Makes the views; on PostgreSQL with what each column means as a comment."""
    for view in VIEWS:
        names = ", ".join(view.columns)
        query = view.query.compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        connection.exec_driver_sql(f"CREATE VIEW {view.name} ({names}) AS {query}")
        if connection.dialect.name == "postgresql":
            _comment(connection, view)


def _comment(connection: Connection, view: View) -> None:
    quoted = {name: meaning.replace("'", "''") for name, meaning in view.columns.items()}
    connection.exec_driver_sql(f"COMMENT ON VIEW {view.name} IS '{view.description}'")
    for name, meaning in quoted.items():
        connection.exec_driver_sql(f"COMMENT ON COLUMN {view.name}.{name} IS '{meaning}'")


def documentation() -> str:
    """Returns the views and their columns as Markdown, for docs/analysts.md."""
    parts = []
    for view in VIEWS:
        rows = [f"| {name} | {meaning} |" for name, meaning in view.columns.items()]
        head = ["| column | meaning |", "| --- | --- |"]
        parts.append("\n".join([f"### {view.name}", "", view.description, "", *head, *rows, ""]))
    return "\n".join(parts)
