"""The one place where personal columns of VYE's database are read.

In production they are encrypted (vye-database.md); whoever reads them asks here for the expression.
"""

from __future__ import annotations

from sqlalchemy import Label, String, Table, cast, func


def plain_text(table: Table, column: str) -> Label[str]:
    """Returns a column's text, labelled with its name, empty where it is null."""
    return func.coalesce(cast(table.c[column], String), "").label(column)
