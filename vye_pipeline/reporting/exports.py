"""Lists as files that a spreadsheet or a data frame opens."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.connection import LedgerConnection
from vye_pipeline.outlets import Outlet, let_out
from vye_pipeline.records import KINDS

Row = dict[str, Any]


def write_csv(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Writes a CSV file; no cell of it is run as a formula.

    Raises:
        UsageError: the file can't be written.
    """
    with _writable(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([[_cell(row[name]) for name in columns] for row in rows])


def write_xlsx(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Writes a workbook of one sheet: ids are numbers, dates dates, and no text is a formula.

    Raises:
        UsageError: the file can't be written.
    """
    from xlsxwriter import Workbook

    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd",
        "remove_timezone": True,
    }
    with _writable(path), path.open("wb") as file, Workbook(file, options) as book:
        sheet = book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, columns, book.add_format({"bold": True}))
        for number, row in enumerate(rows, start=1):
            sheet.write_row(number, 0, [row[name] for name in columns])
        sheet.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)


def write_reconciliation(path: Path, ledger: LedgerConnection, first: date, last: date) -> int:
    """Writes a row per record of some days, the replaced left out, as Parquet.

    Args:
        path: of the file.
        ledger: which is asked.
        first: the first partition.
        last: the last partition.

    Returns:
        The number of rows.

    Raises:
        UsageError: the file can't be written.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vye_pipeline.ledger.views import reconciled_records
    from vye_pipeline.sql.frames import read_frame

    queries = [reconciled_records(kind.name, first, last) for kind in KINDS]
    frame = ledger.read(
        lambda connection: pd.concat(
            [read_frame(connection, query) for query in queries], ignore_index=True
        )
    )
    frame = frame.assign(partition_date=pd.to_datetime(frame["partition_date"]).dt.date)
    with _writable(path):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")
    return len(frame)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return let_out(value, Outlet.CSV) if isinstance(value, str) else value


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None
