"""Years of days in a ledger, delivered and acknowledged, put there at once.

With what years leave beside it: clones and their owners, feeds that confirm each record, days that
failed before they were delivered, and days whose records the next one took.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, Table, insert

from vye_pipeline.bdn.file_names import file_name, outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off
from vye_pipeline.ledger.models import (
    CLAIMS,
    CLOSINGS,
    DELIVERIES,
    EVIDENCE,
    FAILURES,
    FILES,
    LINE,
    OWNERS,
    PARTITION_CLONES,
    RECONCILIATIONS,
)
from vye_pipeline.records import KINDS

TEN_YEARS = tuple(FEDERAL_CALENDAR.business_days(date(2015, 1, 2), date(2024, 12, 31)))
FIRST_ID = 1_000_000  # of records, clones and profiles: none that a rehearsal has
A_YEAR, FAILED = 250, range(100, 110)  # business days
TABLES = (
    FILES,
    CLOSINGS,
    OWNERS,
    PARTITION_CLONES,
    FAILURES,
    CLAIMS,
    DELIVERIES,
    RECONCILIATIONS,
    EVIDENCE,
)
FAILURE = {
    "step": "upload",
    "cause": "upload",
    "is_transient": True,
    "what": "the object store is away",
    "next_step": "try again",
    "record_count": 1,
    "profile_count": 1,
}


def put_days(
    connection: Connection,
    days: Sequence[date],
    records: int = 4,
    status: str = "acknowledged",
    first_id: int = FIRST_ID,
    profiles: int | None = None,
) -> None:
    """Adds a file of each kind of each day, with so many records, all of one status.

    Args:
        connection: to the ledger.
        days: which.
        records: of each file.
        status: of each record.
        first_id: of records, clones and profiles.
        profiles: whose records they are, in turn; as many as a file has, by default.
    """
    ids = count(first_id)
    rows: dict[Table, list[dict[str, Any]]] = {table: [] for table in TABLES}
    for number, day in enumerate(days):
        then, clone = cut_off(day), first_id + number
        rows[CLOSINGS].append({"bdn_clone_id": clone, "closed_at": then, "first_seen_at": then})
        for kind in KINDS:
            of_file = {"partition_date": day, "kind": kind.name}
            content = {"fingerprint": "0" * 64, "byte_count": 1, "line_count": records}
            place = {"object_key": outbound_key(kind, day)}
            claimed = {"first_claimed_at": then, "claimed_at": then, "snapshot_name": "gone"}
            name = {"file_name": file_name(kind, day)}
            rows[FILES].append({**of_file, **content, **place, **claimed, **name})
            rows[OWNERS].append({**of_file, "bdn_clone_id": clone})
            rows[PARTITION_CLONES].append({**of_file, "bdn_clone_id": clone})
            rows[DELIVERIES].append({**of_file, **content, **place, "delivered_at": then})
            if number % A_YEAR in FAILED:
                sunday = day - timedelta(days=day.isoweekday())
                failed = {"kind": kind.name, "failed_at": then, **FAILURE}
                rows[FAILURES] += [{**failed, "partition_date": one} for one in (day, sunday)]
            for line in range(1, records + 1):
                record_id = next(ids)
                key = {"kind": kind.name, "record_id": record_id}
                record = {**of_file, **key, "line_number": line}
                record["user_profile_id"] = FIRST_ID + record_id % (profiles or records)
                claim = {"bdn_clone_id": clone, "user_info_id": record_id, "created_at": then}
                claim |= {"disposition": LINE, "is_vanished": False, "transact_date": None}
                rows[CLAIMS].append(record | claim)
                rows[RECONCILIATIONS].append(record | {"status": status, "reconciled_at": then})
                confirmed = {"evidence": "confirmed_by_feed", "recorded_at": then}
                rows[EVIDENCE].append({**key, "feed_date": day, **confirmed})
    for table, values in rows.items():
        if values:
            connection.execute(insert(table), values)
