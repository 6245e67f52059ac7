"""How much a kind's day may hold: refused before anything is claimed or announced."""

from __future__ import annotations

from datetime import date

import pandas as pd

from vye_pipeline.columns.text import text_array
from vye_pipeline.errors import source_error
from vye_pipeline.records import Kind

MOST_BYTES = 2**31 - 1  # a file is handled as one column of text, of which Arrow counts 31 bits


def refuse_too_large(partition_date: date, kind: Kind, records: pd.DataFrame) -> None:
    """Refuses records whose file may not fit.

    Args:
        partition_date: of the records.
        kind: of the records.
        records: the kind's columns, as they were checked.

    Raises:
        PipelineError: source: how large the file would be, and the limit.
    """
    size = most_bytes(kind, records)
    if size > MOST_BYTES:
        raise source_error(
            f"{len(records):,} {kind.name} of {partition_date} make a file of up to {size:,} bytes;"
            f" {MOST_BYTES:,} is the most that can be handled, so nothing is claimed",
            is_transient=False,
            next_step="have VYE split the BDN clone, or make the limit of "
            "vye_pipeline/egress/size.py unnecessary",
        )


def most_bytes(kind: Kind, records: pd.DataFrame) -> int:
    """Returns how many bytes the rendering of records may take at most.

    Args:
        kind: of the records.
        records: the kind's columns, as they were checked.
    """
    return sum(
        text_array(records[field.column]).nbytes + len(records) * field.width
        for field in kind.fields
    )
