"""A person's closing of what is open of a user profile on a day (docs/runbook.md).

It says that a person has dealt with what was known then; whatever comes up later opens it again.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.ledger import Ledger
from vye_pipeline.ledger.models import RESOLUTIONS
from vye_pipeline.personal_data import checked_note
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import affected

COLUMNS = ("user_profile_id", "partition_date", "kind", "note")
KIND_NAMES = {kind.name for kind in KINDS}


@dataclass(frozen=True)
class Resolution:
    """What a person says of a user profile's records of a day.

    Attributes:
        user_profile_id: whose records.
        partition_date: of the records.
        kind: of the records; None for all kinds.
        note: what was done; no personal data.
    """

    user_profile_id: int
    partition_date: date
    kind: str | None
    note: str


def resolve(
    ledger: Ledger, resolutions: Sequence[Resolution], *, resolved_by: str, now: datetime
) -> list[tuple[Resolution, list[str]]]:
    """Closes what is open of some user profiles: all of it in one transaction, or nothing.

    Args:
        ledger: where it is recorded.
        resolutions: what to close.
        resolved_by: who says so.
        now: with zone.

    Returns:
        Each resolution with the kinds that it closed.

    Raises:
        UsageError: nothing is open for one of them; nothing is recorded.
    """
    closed = [(one, _open_kinds(ledger, one)) for one in resolutions]
    ledger.resolve(
        [
            {
                "partition_date": one.partition_date,
                "kind": kind,
                "user_profile_id": one.user_profile_id,
                "note": one.note,
                "resolved_by": resolved_by,
                "resolved_at": now,
            }
            for one, kinds in closed
            for kind in kinds
        ]
    )
    return closed


def _open_kinds(ledger: Ledger, one: Resolution) -> list[str]:
    day = one.partition_date
    items = ledger.read(lambda connection: affected(connection, [day], one.kind))
    kinds = {
        item.kind for item in items if item.is_open and item.user_profile_id == one.user_profile_id
    }
    if not kinds:
        raise UsageError(
            f"nothing of user profile {one.user_profile_id} is open on {day}: "
            f"vye affected --date {day}"
        )
    return sorted(kinds)


def in_force(ledger: Ledger) -> list[Resolution]:
    """Returns the resolutions that keep something closed, oldest partition first.

    They are what a ledger that has to be rebuilt can't get from anywhere else.

    Args:
        ledger: which is asked.
    """
    return ledger.read(_in_force)


def _in_force(connection: Connection) -> list[Resolution]:
    place = [RESOLUTIONS.c[name] for name in ("partition_date", "kind", "user_profile_id")]
    newest = select(func.max(RESOLUTIONS.c.id)).group_by(*place)
    query = select(*(RESOLUTIONS.c[name] for name in COLUMNS)).where(RESOLUTIONS.c.id.in_(newest))
    known = [Resolution(**row._mapping) for row in connection.execute(query.order_by(*place))]
    closed = {
        (item.user_profile_id, item.partition_date, item.kind)
        for item in affected(connection, sorted({one.partition_date for one in known}))
        if item.needs_manual_reconciliation and item.resolved_at
    }
    return [one for one in known if (one.user_profile_id, one.partition_date, one.kind) in closed]


def read_resolutions(path: Path) -> list[Resolution]:
    """Reads a CSV file with a header row of COLUMNS; a blank kind means all kinds.

    Raises:
        UsageError: the file can't be used; names the line and the reason, never a note.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if set(reader.fieldnames or ()) != set(COLUMNS):
                raise UsageError(f"{path}, line 1: the columns must be {', '.join(COLUMNS)}")
            return [_resolution(path, reader.line_num, row) for row in reader]
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8") from None
    except csv.Error:
        raise UsageError(f"{path} is not a CSV file") from None


def _resolution(path: Path, line: int, row: dict[str, str | None]) -> Resolution:
    try:
        profile, day, kind, note = (row[name] or "" for name in COLUMNS)
        if kind and kind not in KIND_NAMES:
            raise ValueError("kind")
        return Resolution(int(profile), date.fromisoformat(day), kind or None, checked_note(note))
    except UsageError as error:
        raise UsageError(f"{path}, line {line}: {error}") from None
    except (KeyError, ValueError):
        raise UsageError(
            f"{path}, line {line}: needs a user profile's id, a date as 2025-04-01, a kind or "
            "nothing, and a note"
        ) from None
