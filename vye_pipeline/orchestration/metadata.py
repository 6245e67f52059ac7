"""What the pages of assets show: counts and tables of ids, never a value of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    import pandas as pd

    from vye_pipeline.egress.preview import Preview
    from vye_pipeline.records import Kind
    from vye_pipeline.reporting.funnel import Funnel
    from vye_pipeline.reporting.usual import Usual

ROWS_SHOWN = 500
OWNERS = ["team:vebt"]


def tags(kind: Kind | None = None, *, is_personal: bool) -> dict[str, str]:
    """Returns the tags by which assets are searched.

    Args:
        kind: of the asset's records; None of all.
        is_personal: whether what it stands for holds personal data.
    """
    of_kind = {} if kind is None else {"vye/kind": kind.name}
    return of_kind | {"vye/personal_data": "yes" if is_personal else "no"}


def counts(values: Mapping[str, int]) -> dict[str, dg.MetadataValue[Any]]:
    """Returns counts as metadata."""
    return {name: dg.MetadataValue.int(int(value)) for name, value in values.items()}


def profiles(rows: pd.DataFrame) -> dg.MetadataValue[Any]:
    """Returns a table of records and why they are shown.

    Args:
        rows: user_profile_id, record_id and any of line_number, status, reason_code, fields.
    """
    wanted = ("user_profile_id", "record_id", "line_number", "status", "reason_code", "fields")
    return table(rows[[name for name in wanted if name in rows]])


def table(rows: pd.DataFrame) -> dg.MetadataValue[Any]:
    """Returns the first rows of a frame that holds no personal data."""
    shown = rows.head(ROWS_SHOWN).astype(object)
    shown = shown.where(shown.notna(), None)
    return dg.MetadataValue.table(
        [
            dg.TableRecord({str(name): one for name, one in row.items()})
            for row in shown.to_dict("records")
        ],
        dg.TableSchema([dg.TableColumn(str(name), "string") for name in shown]),
    )


def answers(funnels: Sequence[Funnel]) -> dg.MetadataValue[Any]:
    """Returns a table of BDN's answers and what each did."""
    names = ("object_key", "lines", "matched", "changed", "nothing_new", "never_sent", "ignored")
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "object_key": one.object_key,
                    "lines": one.spoken_of,
                    "matched": one.matched,
                    "changed": one.changed,
                    "nothing_new": one.nothing_new,
                    "never_sent": one.unexpected,
                    "ignored": one.ignored or "",
                }
            )
            for one in funnels
        ],
        dg.TableSchema([dg.TableColumn(name, "string") for name in names]),
    )


def preview(one: Preview, usual: Usual) -> dg.MetadataValue[Any]:
    """Returns a kind's counts as a Markdown table, and its reasons under it."""
    from vye_pipeline.egress.preview import OPEN

    if one.delivery != OPEN:
        return dg.MetadataValue.md(f"{one.delivery} already")
    counts = {"lines": one.lines, **one.unsent}
    rows = [
        f"| {name} | {count} | {usual.counts.get(name, '')} |" for name, count in counts.items()
    ]
    reasons = [f"- {count} quarantined: {reason}" for reason, count in one.reasons.items()]
    head = ["| | would be | usual on that weekday |", "| --- | --- | --- |"]
    return dg.MetadataValue.md("\n".join([*head, *rows, *(["", *reasons] if reasons else [])]))
