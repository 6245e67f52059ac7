"""The second memory: what each delivery leaves among the snapshots, beside the ledger.

Before the first try of a put an announcement is kept: the partition's rows of the ledger, as they
are. After it comes the record of the delivery or, where nothing of ours can have arrived, of the
refusal. None of them holds personal data, and no retention removes them (bdn-interface.md, part 2).
A column that is added to a table of REMEMBERED needs a default: older memories lack it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BytesIO
from zipfile import ZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vye_pipeline.context import Context
from vye_pipeline.ledger.models import DELIVERIES, HAND_OVERS, TRIES
from vye_pipeline.ledger.recovery import plain_rows
from vye_pipeline.ledger.rows import PUT, FileRow, Receipt

FOLDER = "deliveries"
ANNOUNCED, REFUSED, DELIVERED, DISOWNED = "announced", "refused", "delivered", "disowned"
NAME = re.compile(
    rf"{FOLDER}/(?P<kind>[a-z_]+)/(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/"
    r"r(?P<revision>[0-9]+)-v(?P<version>[0-9]+)-(?P<state>[a-z]+)\.(?P<fingerprint>[0-9a-f]{64})"
)

Rows = Mapping[str, pd.DataFrame]


@dataclass(frozen=True, order=True)
class Memory:
    """What a snapshot remembers of a file.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        revision: 1 for the file as it is delivered first, from 2 for a redelivery.
        version: of the claims that the file is made of.
        fingerprint: of the file.
        state: announced, refused or delivered; of an object that isn't ours, disowned.
    """

    partition_date: date
    kind: str
    revision: int
    version: int
    fingerprint: str
    state: str = ANNOUNCED

    @property
    def name(self) -> str:
        """The snapshot's name."""
        return (
            f"{FOLDER}/{self.kind}/{self.partition_date}/"
            f"r{self.revision}-v{self.version}-{self.state}.{self.fingerprint}"
        )


def memory_of(file: FileRow) -> Memory:
    """Returns the announcement of a rendered file as it is delivered first."""
    return Memory(file.partition_date, file.kind, 1, file.claims_version, file.fingerprint or "")


def record_of(receipt: Receipt) -> Rows:
    """Returns the rows of a delivery's record."""
    return {DELIVERIES.name: pd.DataFrame([vars(receipt)])}


def memories(context: Context, kind: str, days: str = "") -> list[Memory]:
    """Returns what is remembered of a kind's files, oldest partition first.

    Args:
        context: the snapshots.
        kind: of the records.
        days: only of partitions whose date begins so: `2025-04`.

    Raises:
        PipelineError: storage: the snapshots can't be listed.
    """
    found = (NAME.fullmatch(name) for name in context.snapshots.names(f"{FOLDER}/{kind}/{days}"))
    return sorted(
        Memory(
            date.fromisoformat(one["day"]),
            one["kind"],
            int(one["revision"]),
            int(one["version"]),
            one["fingerprint"],
            one["state"],
        )
        for one in found
        if one
    )


def remember(context: Context, memory: Memory, rows: Rows) -> bool:
    """Keeps what is remembered, once, and says whether it was new.

    Args:
        context: the snapshots.
        memory: what it is of.
        rows: of tables of the ledger, by table.
    """
    return keep_rows(context, memory.name, rows)


def keep_rows(context: Context, name: str, rows: Rows) -> bool:
    """Keeps rows of the ledger under a snapshot's name, once, and says whether it was new."""
    is_new = not context.snapshots.exists(name)
    if is_new:
        context.snapshots.put(name, _packed(rows))
    return is_new


def recall(context: Context, memory: Memory) -> dict[str, pd.DataFrame]:
    """Returns the rows that were remembered, by table."""
    return kept_rows(context, memory.name)


def begun_at(context: Context, announced: Memory) -> datetime:
    """Returns when the first put of an announced file began that was not refused (UTC)."""
    return _moment(recall(context, announced)[TRIES.name], "begun_at")


def delivery(context: Context, delivered: Memory) -> tuple[datetime, str]:
    """Returns when (UTC) and which way a file was delivered, by the record of it.

    An older record knows of puts only.
    """
    rows = recall(context, delivered)[DELIVERIES.name]
    return _moment(rows, "delivered_at"), str(rows["way"].iloc[0]) if "way" in rows else PUT


def take_up_hand_overs(context: Context, memory: Memory) -> None:
    """Restores the steps of a file's hand-overs to the ledger; a put has none."""
    for row in plain_rows(recall(context, memory).get(HAND_OVERS.name, pd.DataFrame())):
        context.ledger.take_up_hand_over(row)


def _moment(rows: pd.DataFrame, column: str) -> datetime:
    moment: datetime = rows[column].iloc[0].to_pydatetime().astimezone(UTC)
    return moment


def announce(context: Context, memory: Memory, rows: Rows) -> None:
    """Remembers that a put is about to begin: once, but after a refusal anew.

    Args:
        context: the snapshots.
        memory: of the file.
        rows: of tables of the ledger, by table, with the try.
    """
    refusal = replace(memory, state=REFUSED)
    if context.snapshots.exists(refusal.name):
        context.snapshots.put(memory.name, _packed(rows))
        context.snapshots.delete(refusal.name)
    else:
        remember(context, memory, rows)


def kept_rows(context: Context, name: str) -> dict[str, pd.DataFrame]:
    """Returns the rows under a snapshot's name, by table."""
    with ZipFile(BytesIO(context.snapshots.get(name))) as archive:
        return {
            table: pq.read_table(pa.BufferReader(archive.read(table))).to_pandas()
            for table in archive.namelist()
        }


def _packed(rows: Rows) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, frame in rows.items():
            content = BytesIO()
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), content)
            archive.writestr(name, content.getvalue())
    return buffer.getvalue()
