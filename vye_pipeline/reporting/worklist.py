"""Who needs a person: an item is what is open of one user profile on one day."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.ledger.columns import WORKLIST
from vye_pipeline.ledger.views import open_items
from vye_pipeline.reporting.contacts import reachable
from vye_pipeline.sql.frames import read_frame

LISTED = {
    "kinds": "kind",
    "statuses": "status",
    "reasons": "reason",
    "fields": "fields",
    "next_steps": "next_step",
    "evidence": "evidence",
}
TYPES = {
    "user_profile_id": "int64",
    "waited_business_days": "int64",
    "is_moot": "bool",
    "is_reachable": "boolean",
}


def worklist(context: Context, partition_date: date, now: datetime) -> pd.DataFrame:
    """Returns the user profiles of a day that need a person.

    Args:
        context: ledger and VYE's database.
        partition_date: of the records.
        now: with zone.

    Returns:
        WORKLIST: one row per user profile.
    """
    items = context.ledger.read(
        lambda connection: read_frame(connection, open_items([partition_date]))
    )
    items = items.dropna(subset="user_profile_id").astype({"user_profile_id": "int64"})
    if items.empty:
        return pd.DataFrame({name: pd.Series(dtype=TYPES.get(name, "str")) for name in WORKLIST})
    today = now.astimezone(NEW_YORK).date()
    profiles = items.groupby("user_profile_id").agg(
        since=("since", "min"), is_moot=("is_moot", "all")
    )
    profiles = profiles.assign(
        **{name: _listed(items, column) for name, column in LISTED.items()}
    ).reset_index()
    waited = context.settings.calendar.business_days_waited
    since = profiles["since"].dt.tz_convert(NEW_YORK).dt.date
    return profiles.assign(
        waited_business_days=since.map(lambda day: waited(day, today)),
        is_reachable=_reachable(context, profiles["user_profile_id"]),
    )[list(WORKLIST)]


def _reachable(context: Context, user_profile_ids: pd.Series[int]) -> pd.Series[bool]:
    """Says of each profile whether it can be reached; the list doesn't fail for not knowing."""
    try:
        known = reachable(context, user_profile_ids.tolist())
    except PipelineError:
        return pd.Series(pd.NA, index=user_profile_ids.index, dtype="boolean")
    return user_profile_ids.isin(list(known)).astype("boolean")


def _listed(items: pd.DataFrame, column: str) -> pd.Series[str]:
    """Returns by user profile what a column says of its records, each once, empty for nothing.

    Repeats are dropped from the whole column at once: a profile at a time takes a millisecond each.
    """
    profile = "user_profile_id"
    values = items[[profile, column]].dropna().drop_duplicates()
    listed = values.groupby(profile)[column].agg("; ".join)
    return listed.reindex(items[profile].unique(), fill_value="")
