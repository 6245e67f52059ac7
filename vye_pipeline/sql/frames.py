"""Whole-table transfers: how a query becomes a frame and a frame becomes rows.

The same for PostgreSQL (COPY, inside the connection's own transaction) and SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    DateTime,
    Integer,
    String,
    Table,
    cast,
    func,
    select,
)
from sqlalchemy.types import TypeEngine

from vye_pipeline.columns.parallel import side_by_side
from vye_pipeline.columns.text import text_series
from vye_pipeline.sql.binary_copy import CHUNK_ROWS, binary_copy
from vye_pipeline.sql.engines import Query, UtcDateTime

GROUP_PARAMETERS = 900  # of one statement; no SQLite takes fewer than 999


def read_frame(connection: Connection, query: Query) -> pd.DataFrame:
    """Runs a query and returns its rows as a frame.

    Text comes as `str`, integers as int64 (Int64 where the column may be null), dates as text in
    ISO 8601, timestamps as datetime64 in UTC.
    """
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    types = {str(column.key): _arrow_type(column.type) for column in query.selected_columns}
    read = _copy_out if connection.dialect.name == "postgresql" else _fetch
    table = read(connection, str(compiled), types)
    return pd.DataFrame({name: _series(table.column(name)) for name in types})


def _arrow_type(column_type: TypeEngine[Any]) -> pa.DataType:
    if isinstance(column_type, Boolean):
        return pa.bool_()
    if isinstance(column_type, Integer):
        return pa.int64()
    if isinstance(column_type, DateTime | UtcDateTime):
        has_zone = isinstance(column_type, UtcDateTime) or column_type.timezone
        return pa.timestamp("us", tz="UTC" if has_zone else None)
    return pa.large_string()  # as pandas keeps it


def _series(values: pa.ChunkedArray) -> pd.Series[Any]:
    if pa.types.is_large_string(values.type):
        return text_series(values)
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("us", tz="UTC")).to_pandas()
    if values.null_count and pa.types.is_integer(values.type):
        return values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return values.to_pandas()


def _cursor(connection: Connection) -> Any:
    """Returns the driver's cursor, in a transaction whose settings are pinned.

    The driver's own statements begin no transaction as SQLAlchemy counts them, and it is at the
    beginning that a session's settings are pinned (`engines.PINNED`).
    """
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.cursor()


def _copy_out(connection: Connection, sql: str, types: dict[str, pa.DataType]) -> pa.Table:
    """Lets PostgreSQL write CSV inside the connection's own transaction and Arrow read it."""
    cursor = _cursor(connection)
    with cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
        parts = side_by_side(partial(_parsed, types=types), _whole_rows(copy))
    return pa.concat_tables(parts) if parts else pa.schema(list(types.items())).empty_table()


def _whole_rows(copy: Iterable[memoryview]) -> Iterator[memoryview]:
    """Joins the rows of a COPY, which come one by one, so that some are read while others come."""
    rows = iter(copy)
    while True:
        part = BytesIO()
        part.writelines(islice(rows, CHUNK_ROWS))
        if not part.tell():
            return
        yield part.getbuffer()


def _parsed(part: memoryview, types: dict[str, pa.DataType]) -> pa.Table:
    return pa_csv.read_csv(
        pa.BufferReader(part),
        read_options=pa_csv.ReadOptions(column_names=list(types), use_threads=False),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )


def _fetch(connection: Connection, sql: str, types: dict[str, pa.DataType]) -> pa.Table:
    rows = connection.exec_driver_sql(sql).cursor.fetchall()  # bare tuples, quicker to take apart
    return pa.table(
        {
            name: _sqlite_array([row[place] for row in rows], kind)
            for place, (name, kind) in enumerate(types.items())
        }
    )


def _sqlite_array(values: Any, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array(values, pa.int8()).cast(kind)
    return pa.array(values, kind)


def read_ids(connection: Connection, query: Query) -> NDArray[np.int64]:
    """Runs a query for one column of ids and returns them, in no order.

    The database joins them into one text: to fetch a row takes longer than to read a number.
    """
    (ids,) = query.subquery().c
    together = select(func.aggregate_strings(cast(ids, String), ","))
    return np.fromstring(connection.scalar(together) or "", dtype=np.int64, sep=",")


def append_frame(connection: Connection, table: Table, frame: pd.DataFrame) -> None:
    """Inserts a frame's rows; its columns are named as the table's.

    Timestamps must carry a zone. The rows become visible with the connection's transaction.
    """
    if frame.empty:
        return
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    stored = pa.schema([(name, _stored_type(table.c[name].type)) for name in rows.column_names])
    rows = pa.table([_in_utc(column) for column in rows.columns], rows.column_names).cast(stored)
    if connection.dialect.name == "postgresql":
        _copy_in(connection, table, rows)
    else:
        _insert_groups(connection, table, rows)


def _stored_type(column_type: TypeEngine[Any]) -> pa.DataType:
    """Returns what PostgreSQL keeps a column as."""
    if isinstance(column_type, Date):
        return pa.date32()
    if isinstance(column_type, BigInteger):
        return pa.int64()
    if isinstance(column_type, Integer):
        return pa.int32()
    if isinstance(column_type, String):
        return pa.string()
    return _arrow_type(column_type)


def _in_utc(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(values.type) else values


def _copy_in(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Encodes rows while a thread hands those before them to the server: at most 128 MiB wait."""
    from psycopg.copy import QueuedLibpqWriter

    columns = ", ".join(rows.column_names)
    cursor = _cursor(connection)
    statement = f"COPY {table.name} ({columns}) FROM STDIN (FORMAT binary)"
    with cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
        for part in binary_copy(rows):
            copy.write(part)


def _insert_groups(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Inserts many rows with each statement.

    Where a trigger looks at rows SQLite prepares to undo every statement by itself, which takes
    more than half as long again as to insert a row.
    """
    width = rows.num_columns
    for chunk in rows.to_batches(max_chunksize=CHUNK_ROWS):
        values: list[Any] = [None] * (chunk.num_rows * width)
        for position, column in enumerate(chunk.columns):
            values[position::width] = _sqlite_values(column)
        group = GROUP_PARAMETERS // width * width
        rest = len(values) % group
        _insert(connection, table, rows.column_names, values[: len(values) - rest], group)
        _insert(connection, table, rows.column_names, values[len(values) - rest :], rest)


def _insert(
    connection: Connection, table: Table, columns: list[str], values: list[Any], group: int
) -> None:
    """Inserts rows whose values are in one flat list, so many values per statement."""
    if not values:
        return
    row = f"({', '.join('?' * len(columns))})"
    marks = ", ".join([row] * (group // len(columns)))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {marks}"  # noqa: S608 - no outside text
    groups = [tuple(values[start : start + group]) for start in range(0, len(values), group)]
    connection.exec_driver_sql(statement, groups)


def _sqlite_values(values: pa.Array) -> list[Any]:
    """Returns what SQLAlchemy would store: timestamps as text in UTC, dates as ISO 8601."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us")).cast(pa.string())
    elif pa.types.is_date(values.type):
        values = values.cast(pa.string())
    listed: list[Any] = values.to_pylist()
    return listed
