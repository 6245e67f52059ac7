r"""Making a copy of VYE's database for trying things out: its tables, and rows from CSV files.

A folder holds one CSV a table, named after it: UTF-8, a header row, NULL as `\N`, booleans `t` and
`f`, timestamps in UTC. All files of a folder come in together or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    insert,
    inspect,
)
from sqlalchemy.exc import IntegrityError

from vye_pipeline.errors import UsageError
from vye_pipeline.vye_database.tables import Base

NULL = "\\N"
BATCH_ROWS = 10_000
REMEDY = "correct the file and import the folder again; nothing was imported"


def create_tables(engine: Engine) -> None:
    """Makes VYE's tables where they aren't there yet."""
    Base.metadata.create_all(engine)


def import_folder(engine: Engine, folder: Path) -> dict[str, int]:
    """Loads every CSV of a folder in one transaction.

    Columns that a file has and the table has not are left out; those it lacks become NULL.

    Args:
        engine: of the database.
        folder: with files named `<table>.csv`.

    Returns:
        The number of rows of each table that was loaded.

    Raises:
        UsageError: a file can't be used; names file, line and column, never the value.
    """
    files = _files_by_table(folder)
    with engine.begin() as connection:
        missing = set(files) - set(inspect(connection).get_table_names())
        if missing:
            raise UsageError(f"there is no table {min(missing)}: run vye database create first")
        return {
            table: _load(connection, Base.metadata.tables[table], files[table]) for table in files
        }


def _files_by_table(folder: Path) -> dict[str, Path]:
    """Returns the files in the order in which foreign keys allow them to be loaded."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    found = {path.stem: path for path in folder.glob("*.csv")}
    unknown = sorted(set(found) - set(Base.metadata.tables))
    if unknown:
        raise UsageError(f"{found[unknown[0]]}: VYE has no table {unknown[0]}")
    if not found:
        raise UsageError(f"{folder} holds no CSV file named after a table of VYE")
    return {
        table.name: found[table.name]
        for table in Base.metadata.sorted_tables
        if table.name in found
    }


def _load(connection: Connection, table: Table, path: Path) -> int:
    count = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = _rows(table, path, file)
            while batch := list(islice(rows, BATCH_ROWS)):
                connection.execute(insert(table), batch)
                count += len(batch)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8: {REMEDY}") from None
    except IntegrityError:
        raise UsageError(
            f"{path}: a row repeats an id, lacks a required value or points to a row that isn't "
            f"there: {REMEDY}"
        ) from None
    return count


def _rows(table: Table, path: Path, file: Iterator[str]) -> Iterator[dict[str, Any]]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, None)
        converters = _converters(table, path, header)
        for cells in reader:
            if len(cells) != len(converters):
                raise UsageError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells under "
                    f"{len(converters)} columns: {REMEDY}"
                )
            yield _row(path, reader.line_num, converters, cells)
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}: {REMEDY}") from None


def _converters(
    table: Table, path: Path, header: list[str] | None
) -> list[tuple[Column[Any], Callable[[str], Any]] | None]:
    """Returns for each cell of a line its column and what reads it; None where it is left out."""
    if header is None:
        raise UsageError(f"{path} is empty: it needs a header row")
    if len(set(header)) != len(header):
        raise UsageError(f"{path}, line 1: a column stands there twice: {REMEDY}")
    required = {column.name for column in table.columns if not column.nullable}
    lacking = sorted(required - set(header))
    if lacking:
        raise UsageError(f"{path}, line 1: column {lacking[0]} is missing: {REMEDY}")
    columns = [table.columns.get(name) for name in header]
    return [None if column is None else (column, _reader(column)) for column in columns]


def _row(
    path: Path,
    line: int,
    converters: list[tuple[Column[Any], Callable[[str], Any]] | None],
    cells: list[str],
) -> dict[str, Any]:
    row = {}
    for converter, cell in zip(converters, cells, strict=True):
        if converter is None:
            continue
        column, read = converter
        try:
            row[column.name] = None if cell == NULL else read(cell)
        except (ValueError, InvalidOperation):
            raise UsageError(
                f"{path}, line {line}: {column.name} is no {_type_name(column)}: {REMEDY}"
            ) from None
    return row


def _boolean(cell: str) -> bool:
    if cell not in {"t", "f"}:
        raise ValueError
    return cell == "t"


_READERS: tuple[tuple[type, str, Callable[[str], Any]], ...] = (
    (Boolean, "boolean (t or f)", _boolean),
    (Integer, "whole number", int),
    (Numeric, "number", Decimal),
    (DateTime, "timestamp (YYYY-MM-DD HH:MM:SS, in UTC)", datetime.fromisoformat),
    (Date, "date (YYYY-MM-DD)", date.fromisoformat),
    (LargeBinary, "text", str.encode),
)


def _reader(column: Column[Any]) -> Callable[[str], Any]:
    return next((read for kind, _, read in _READERS if isinstance(column.type, kind)), str)


def _type_name(column: Column[Any]) -> str:
    return next(name for kind, name, _ in _READERS if isinstance(column.type, kind))
