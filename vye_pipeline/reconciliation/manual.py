"""Who needs a person, and a person's closing of it (architecture.md, `resolution`).

An item is what is open of one user profile on one day: its records that BDN did not take as they
were meant. Closing it says that a person has seen to what was known then; whatever comes up later
opens it again.
"""

from __future__ import annotations

from datetime import date, datetime

from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.ledger import Ledger
from vye_pipeline.ledger.reports import affected


def resolve(
    ledger: Ledger,
    user_profile_id: int,
    partition_date: date,
    kind: str | None,
    *,
    resolved_by: str,
    note: str,
    now: datetime,
) -> list[str]:
    """Closes what is open of a user profile on a day, and returns the kinds that were closed.

    Args:
        ledger: where it is recorded.
        user_profile_id: whose records.
        partition_date: of the records.
        kind: only this one; all by default.
        resolved_by: who says so.
        note: what was done; no personal data.
        now: with zone.

    Raises:
        UsageError: nothing is open.
    """
    with ledger.transaction() as connection:
        items = affected(connection, partition_date, partition_date, kind)
    kinds = sorted(
        {item.kind for item in items if item.is_open and item.user_profile_id == user_profile_id}
    )
    if not kinds:
        raise UsageError(
            f"nothing of user profile {user_profile_id} is open on {partition_date}: "
            f"vye affected --date {partition_date}"
        )
    ledger.resolve(
        partition_date, kinds, user_profile_id, resolved_by=resolved_by, note=note, resolved_at=now
    )
    return kinds
