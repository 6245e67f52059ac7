"""The records that a partition has claimed, as they are kept between steps: encrypted snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from io import BytesIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vye_pipeline.context import Context
from vye_pipeline.errors import defect
from vye_pipeline.ledger.rows import FileRow
from vye_pipeline.records import Kind
from vye_pipeline.vye_database.export_ready import (
    ID_COLUMNS,
)

EXPORT_READY = "export_ready"  # in the names of snapshots
KNOWN_COLUMNS = ["record_id", "user_profile_id", "disposition", "line_number", "is_vanished"]


@dataclass(frozen=True)
class ExportReady:
    """The records that a partition has claimed.

    Attributes:
        records: id columns and the kind's columns, normalised: a row per claimed record. Personal.
        claims: record_id, user_profile_id, disposition, line_number, is_vanished: the same rows.
        claims_version: of these claims (FileRow).
        is_frozen: whether the file was delivered before, so that nothing was read again.
    """

    records: pd.DataFrame
    claims: pd.DataFrame
    claims_version: int
    is_frozen: bool

    def count(self, disposition: str) -> int:
        """Counts the records of a disposition."""
        return int((self.claims["disposition"] == disposition).sum())


def load_export_ready(context: Context, partition_date: date, kind: Kind) -> ExportReady:
    """Returns the records that a partition has claimed, from its snapshot.

    Raises:
        PipelineError: defect: the partition has claimed nothing, or its snapshot is lost; source:
            its content has expired.
    """
    state, claims = context.ledger.claimed(partition_date, kind)
    state.require_content()
    if state.file is None:
        raise defect(
            f"{kind.name} of {partition_date} have not been read yet",
            next_step=egress_command(partition_date, kind),
        )
    return ExportReady(
        records=_from_parquet(context.snapshots.get(state.file.snapshot_name)),
        claims=claims,
        claims_version=state.file.claims_version,
        is_frozen=state.receipt is not None,
    )


def snapshot_records(context: Context, file: FileRow | None) -> pd.DataFrame | None:
    """Returns the records of a partition that was claimed before, None of another one."""
    return None if file is None else kept_records(context, file.snapshot_name)


def kept_records(context: Context, snapshot_name: str) -> pd.DataFrame:
    """Returns the records that `keep_records` stored under a name."""
    return _from_parquet(context.snapshots.get(snapshot_name))


def keep_records(context: Context, partition_date: date, kind: Kind, records: pd.DataFrame) -> str:
    """Stores a partition's records as a snapshot and returns its name."""
    content = _to_parquet(records[kept_columns(kind)])
    fingerprint = context.snapshots.fingerprint(content)
    name = f"{partition_date}/{kind.name}/{EXPORT_READY}.{fingerprint}"
    context.snapshots.put(name, content)
    return name


def kept_columns(kind: Kind) -> list[str]:
    """Returns the columns of a kind's snapshot: ids, then what VYE holds."""
    return [*ID_COLUMNS, *(column.name for column in kind.columns)]


def _to_parquet(records: pd.DataFrame) -> bytes:
    """Keeps ids as differences: they stand nearly in order, so that a tenth of the room will do."""
    buffer = BytesIO()
    pq.write_table(
        pa.Table.from_pandas(records, preserve_index=False),
        buffer,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        column_encoding={
            name: "DELTA_BINARY_PACKED" for name in records if records[name].dtype == "int64"
        },
    )
    return buffer.getvalue()


def _from_parquet(content: bytes) -> pd.DataFrame:
    return pq.read_table(pa.BufferReader(content)).to_pandas()


def egress_command(partition_date: date, kind: Kind) -> str:
    """Returns what a person types to run a partition of one kind."""
    return f"vye egress {partition_date} --kind {kind.name}"
