"""What declares a view: once, with what its columns mean."""

from __future__ import annotations

from dataclasses import dataclass

from vye_pipeline.sql.engines import Query


@dataclass(frozen=True)
class View:
    """One of the analysts' or the auditor's tables.

    Attributes:
        name: of the view.
        description: what a row is.
        columns: names and meanings, in order.
        query: what it shows, a column for each of them.
    """

    name: str
    description: str
    columns: dict[str, str]
    query: Query
