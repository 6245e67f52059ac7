"""What was read of each acknowledgement, in the second memory (egress/memory.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pandas as pd

from vye_pipeline.bdn.file_names import AcknowledgementPlace
from vye_pipeline.context import Context
from vye_pipeline.egress.memory import FOLDER, keep_rows, kept_rows
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS
from vye_pipeline.records import Kind

NAME = re.compile(rf"{FOLDER}/[a-z_]+/(?P<day>[0-9-]{{10}})/acknowledgement-[^/]+")


def remember_answer(
    context: Context,
    partition_date: date,
    kind: Kind,
    place: AcknowledgementPlace,
    fingerprint: str,
) -> None:
    """Keeps what the ledger has recorded of an acknowledgement, once."""
    rows = context.ledger.acknowledgement_rows(partition_date, kind)
    is_it = (
        (rows["revision"] == place.revision)
        & (rows["sequence"] == place.sequence)
        & (rows["fingerprint"] == fingerprint)
    )
    name = (
        f"{FOLDER}/{kind.name}/{partition_date}/"
        f"acknowledgement-r{place.revision}-s{place.sequence}.{fingerprint}"
    )
    keep_rows(context, name, {ACKNOWLEDGEMENTS.name: rows[is_it]})


def remembered_answers(
    context: Context, kind: Kind, first: date, last: date
) -> Iterator[dict[str, pd.DataFrame]]:
    """Yields the rows of each acknowledgement to a file of some days, by table."""
    for name in context.snapshots.names(f"{FOLDER}/{kind.name}/"):
        match = NAME.fullmatch(name)
        if match and first <= date.fromisoformat(match["day"]) <= last:
            yield kept_rows(context, name)
