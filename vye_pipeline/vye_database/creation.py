r"""Making a copy of VYE's database for trying things out: its tables, and rows from CSV files.

A folder holds one CSV a table, named after it: UTF-8, a header row, NULL as `\N`, booleans `t` and
`f`, timestamps in UTC. All files of a folder come in together or not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
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
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.identity_table import identity_database
from vye_pipeline.vye_database.integrity import Integrity, columns_read
from vye_pipeline.vye_database.personal import (
    IDENTITIES,
    PERSONAL,
    SUFFIX,
    ciphertext,
    encrypted_tables,
    is_encrypted,
)
from vye_pipeline.vye_database.sealing import Wrap, seal, wrapped_by
from vye_pipeline.vye_database.tables import Base

if TYPE_CHECKING:
    from _csv import Reader

Converter: TypeAlias = "tuple[Column[Any], Callable[[str], Any]] | None"

NULL = "\\N"
BATCH_ROWS = 10_000
REMEDY = "correct the file and import the folder again; nothing was imported"


def create_tables(engine: Engine, *, encrypted: bool = False) -> None:
    """Makes VYE's tables where they aren't there yet, in production's shape if encrypted."""
    (encrypted_tables() if encrypted else Base.metadata).create_all(engine)


def create_identities(engine: Engine) -> None:
    """Makes the table that stands in for the identity service, in a database of its own."""
    Base.metadata.create_all(engine, [Base.metadata.tables[IDENTITIES]])


@dataclass(frozen=True)
class Loaded:
    """What became of a file: its rows, and its columns that the table has not."""

    rows: int
    left_out: list[str]


def import_folder(
    engine: Engine, folder: Path, settings: Settings | None = None
) -> dict[str, Loaded]:
    """Loads every CSV of a folder in one transaction.

    Columns that a file has and the table has not are left out; those it lacks and nobody reads
    become NULL. Into a database in production's shape a file with plain columns is encrypted, one
    with ciphertexts goes as it is, and mpi_identities goes to the database that VYE_IDENTITY_URL
    names.

    Args:
        engine: of the database.
        folder: with files named `<table>.csv`.
        settings: which KMS key encrypts, and where identities go; for production's shape.

    Returns:
        What was loaded of each table.

    Raises:
        UsageError: a file can't be used; names file, line and column, never the value.
    """
    files = _files_by_table(folder)
    loaded: dict[str, Loaded] = {}
    with ExitStack() as transactions:
        connection = transactions.enter_context(engine.begin())
        kms_key_id = settings.column_kms_key_id if settings else None
        is_sealed = is_encrypted(connection)
        target = Target(connection, Integrity(connection), kms_key_id, is_sealed)
        for table, path in files.items():
            place = target
            if table == IDENTITIES and target.is_encrypted:
                other = transactions.enter_context(_identities(settings))
                place = Target(other, Integrity(other))
            if not inspect(place.connection).has_table(table):
                raise UsageError(f"there is no table {table}: run vye database create first")
            loaded[table] = _load(place, table, path)
    return loaded


@dataclass
class Target:
    """Where rows go.

    Attributes:
        connection: in a transaction.
        integrity: of the rows there.
        kms_key_id: what wraps the data keys of rows that have to be encrypted.
        is_encrypted: whether the database is in production's shape.
    """

    connection: Connection
    integrity: Integrity
    kms_key_id: str | None = None
    is_encrypted: bool = False

    @cached_property
    def wrap(self) -> Wrap:
        """What wraps the data keys of rows."""
        return wrapped_by(self.kms_key_id)

    def table(self, name: str, path: Path) -> Table:
        """Returns a table with the columns that a file has: ciphertexts, or plain ones."""
        with path.open(encoding="utf-8", newline="") as file:
            has_ciphertexts = SUFFIX in file.readline()
        shape = encrypted_tables() if self.is_encrypted and has_ciphertexts else Base.metadata
        return shape.tables[name]

    def insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Inserts rows of a file, encrypted where they are plain and the database isn't."""
        stored = encrypted_tables().tables[table.name] if self.is_encrypted else table
        if stored is not table and table.name in PERSONAL:
            rows = seal(table.name, rows, self.wrap)
        self.connection.execute(insert(stored), rows)


def _identities(settings: Settings | None) -> AbstractContextManager[Connection]:
    url = settings.identities_url if settings else None
    if url is None or url.startswith("https:"):
        raise UsageError(
            f"{IDENTITIES} is no table of production's: set VYE_IDENTITY_URL to a database of its "
            "own, or take the file out of the folder"
        )
    return identity_database(url).engine().begin()


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


def _load(target: Target, name: str, path: Path) -> Loaded:
    count = 0
    try:
        table = target.table(name, path)
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            converters, left_out = _converters(table, path, _header(path, reader))
            rows = _rows(target.integrity, table, path, reader, converters)
            while batch := list(islice(rows, BATCH_ROWS)):
                target.insert(table, batch)
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
    encrypted = [name for name in header if name.endswith(SUFFIX) and name not in table.columns]
    if encrypted:
        raise UsageError(
            f"{path}, line 1: {encrypted[0]} is encrypted, as in production: "
            "export the columns in the clear, of made-up people; nothing was imported"
        )
    needed = {
        ciphertext(name) if ciphertext(name) in table.columns else name
        for name in columns_read(table)
    }
    lacking = sorted(needed - set(header))
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
