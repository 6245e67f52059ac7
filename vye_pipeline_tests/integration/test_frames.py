"""What is appended is what is read, on both databases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    cast,
    func,
    select,
)

from vye_pipeline.columns.parallel import THREADS
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.sql import binary_copy, frames
from vye_pipeline.sql.engines import Database, UtcDateTime
from vye_pipeline.sql.frames import append_frame, read_frame
from vye_pipeline_tests.integration.servers import PostgreSQL

ROWS = Table(
    "rows",
    MetaData(),
    Column("number", BigInteger),
    Column("small", Integer),
    Column("word", Text),
    Column("is_so", Boolean),
    Column("day", Date),
    Column("moment", UtcDateTime),
)
TYPES = {
    "number": "Int64",
    "small": "Int64",
    "word": "str",
    "is_so": "boolean",
    "day": "object",
    "moment": "datetime64[us, UTC]",
}
WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)
VALUES = st.tuples(
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    st.integers(-(2**31), 2**31 - 1) | st.none(),
    WORDS | st.sampled_from(['"', "\\N", "\\.", "\r\n"]) | st.none(),
    st.booleans(),
    st.dates(date(1900, 1, 1), date(2200, 1, 1)) | st.none(),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)) | st.none(),  # noqa: DTZ001
)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        if request.param == "sqlite":
            url = f"sqlite:///{Path(folder) / 'rows.db'}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            url = server.database()
        opened = Database("rows", "ROWS_URL", url, Cause.DEFECT).engine()
        ROWS.create(opened)
        yield opened
        opened.dispose()


@given(
    rows=st.lists(VALUES, min_size=1, max_size=9),
    chunk_rows=st.sampled_from([2, 5, 32_768]),
    group_rows=st.sampled_from([1, 2, 100]),
)
def test_what_is_appended_is_read(
    engine: Engine, rows: list[tuple[object, ...]], chunk_rows: int, group_rows: int
) -> None:
    columns = zip(TYPES.items(), zip(*rows, strict=True), strict=True)
    frame = pd.DataFrame(
        {name: pd.Series(list(column), dtype=kind) for (name, kind), column in columns}
    )
    with pytest.MonkeyPatch.context() as patching, engine.connect() as connection:
        for module in (binary_copy, frames):
            patching.setattr(module, "CHUNK_ROWS", chunk_rows)
        patching.setattr(frames, "GROUP_PARAMETERS", group_rows * len(TYPES))
        append_frame(connection, ROWS, frame)
        read = read_frame(connection, select(*ROWS.c))
        connection.rollback()
    days = [None if pd.isna(day) else day.isoformat() for day in frame["day"]]
    expected = frame.assign(day=pd.Series(days, dtype="str"), is_so=frame["is_so"].astype("bool"))
    order = list(TYPES)
    pd.testing.assert_frame_equal(
        _sorted(read.astype({"number": "Int64", "small": "Int64"}), order), _sorted(expected, order)
    )


def test_a_connection_lost_while_rows_are_written_is_a_transient_failure(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.database()
    database = Database("rows", "ROWS_URL", url, Cause.DEFECT)
    frame = pd.DataFrame({"number": range(9_000)})

    def cut_off(rows: pa.Table) -> Iterator[bytes | memoryview]:
        for place, part in enumerate(binary_copy.binary_copy(rows)):
            if place == len(("beginning", "a chunk")):
                assert postgresql.end_sessions(url) == 1
            yield part

    engine = database.engine()
    with database.errors(), engine.begin() as connection:
        ROWS.create(connection)
    monkeypatch.setattr(binary_copy, "CHUNK_ROWS", 100)
    with monkeypatch.context() as patching:
        patching.setattr(frames, "binary_copy", cut_off)
        with pytest.raises(PipelineError) as failure, database.errors():
            with engine.begin() as connection:
                append_frame(connection, ROWS, frame)
    assert failure.value.is_transient
    with engine.begin() as connection:
        append_frame(connection, ROWS, frame)
        assert len(read_frame(connection, select(ROWS.c.number))) == len(frame)
    engine.dispose()


def test_a_connection_lost_while_rows_are_read_is_a_transient_failure(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.database()
    database = Database("rows", "ROWS_URL", url, Cause.DEFECT)
    many = select(cast(func.generate_series(1, 5_000_000), Integer).label("number"))

    def cut_off(copy: Iterable[memoryview]) -> Iterator[memoryview]:
        for place, part in enumerate(whole_rows(copy)):
            if place == THREADS:
                assert postgresql.end_sessions(url) == 1
            yield part

    engine, whole_rows = database.engine(), frames._whole_rows
    with monkeypatch.context() as patching:
        patching.setattr(frames, "_whole_rows", cut_off)
        with pytest.raises(PipelineError) as failure, database.errors():
            with engine.connect() as connection:
                read_frame(connection, many)
    assert failure.value.is_transient
    with engine.connect() as connection:
        assert len(read_frame(connection, many.limit(9))) == 9
    engine.dispose()


def _sorted(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return frame.sort_values(columns, ignore_index=True)
