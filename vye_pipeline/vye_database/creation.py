r"""Making a copy of VYE's database for trying things out: its tables, and rows from CSV files.

A folder holds one CSV a table, named after it: UTF-8, a header row, NULL as `\N`, booleans `t` and
`f`, timestamps in UTC. All files of a folder come in together or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

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

from vye_pipeline.errors import UsageError
from vye_pipeline.vye_database.integrity import Integrity, columns_read
from vye_pipeline.vye_database.tables import Base

if TYPE_CHECKING:
    from _csv import Reader

Converter: TypeAlias = "tuple[Column[Any], Callable[[str], Any]] | None"

NULL = "\\N"
CIPHERTEXT = "_ciphertext"
BATCH_ROWS = 10_000
REMEDY = "correct the file and import the folder again; nothing was imported"


def create_tables(engine: Engine) -> None:
    """Makes VYE's tables where they aren't there yet."""
    Base.metadata.create_all(engine)


@dataclass(frozen=True)
class Loaded:
    """What became of a file: its rows, and its columns that the table has not."""

    rows: int
    left_out: list[str]


def import_folder(engine: Engine, folder: Path) -> dict[str, Loaded]:
    """Loads every CSV of a folder in one transaction.

    Columns that a file has and the table has not are left out; those it lacks and nobody reads
    become NULL.

    Args:
        engine: of the database.
        folder: with files named `<table>.csv`.

    Returns:
        What was loaded of each table.

    Raises:
        UsageError: a file can't be used; names file, line and column, never the value.
    """
    files = _files_by_table(folder)
    with engine.begin() as connection:
        missing = set(files) - set(inspect(connection).get_table_names())
        if missing:
            raise UsageError(f"there is no table {min(missing)}: run vye database create first")
        integrity = Integrity(connection)
        return {
            table: _load(connection, integrity, Base.metadata.tables[table], files[table])
            for table in files
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


def _load(connection: Connection, integrity: Integrity, table: Table, path: Path) -> Loaded:
    count = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            converters, left_out = _converters(table, path, _header(path, reader))
            rows = _rows(integrity, table, path, reader, converters)
            while batch := list(islice(rows, BATCH_ROWS)):
                connection.execute(insert(table), batch)
                count += len(batch)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8: {REMEDY}") from None
    return Loaded(count, left_out)


def _header(path: Path, reader: Reader) -> list[str]:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise UsageError(f"{path}, line 1: {error}: {REMEDY}") from None
    if header is None:
        raise UsageError(f"{path} is empty: it needs a header row")
    return header


def _rows(
    integrity: Integrity, table: Table, path: Path, reader: Reader, converters: list[Converter]
) -> Iterator[dict[str, Any]]:
    try:
        for cells in reader:
            if len(cells) != len(converters):
                raise UsageError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells under "
                    f"{len(converters)} columns: {REMEDY}"
                )
            row = _row(path, reader.line_num, converters, cells)
            fault = integrity.fault(table, row)
            if fault is not None:
                raise UsageError(f"{path}, line {reader.line_num}: {fault}: {REMEDY}")
            yield row
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}: {REMEDY}") from None


def _converters(table: Table, path: Path, header: list[str]) -> tuple[list[Converter], list[str]]:
    """Returns for each cell of a line its column and what reads it, and the names left out."""
    if len(set(header)) != len(header):
        raise UsageError(f"{path}, line 1: a column stands there twice: {REMEDY}")
    encrypted = [name for name in header if name.endswith(CIPHERTEXT)]
    if encrypted:
        raise UsageError(
            f"{path}, line 1: {encrypted[0]} is encrypted, as in production: "
            "export the columns in the clear, of made-up people; nothing was imported"
        )
    lacking = sorted(columns_read(table) - set(header))
    if lacking:
        raise UsageError(f"{path}, line 1: column {lacking[0]} is missing: {REMEDY}")
    columns = [table.columns.get(name) for name in header]
    converters = [None if column is None else (column, _reader(column)) for column in columns]
    return converters, [name for name in header if name not in table.columns]


def _row(
    path: Path,
    line: int,
    converters: list[Converter],
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
