"""The bare floor of each stage: the least that has to be done with the same rows, and no more.

No check, no classification, no text for people. What a floor gives is held to what the pipeline
gave, wherever it gives something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from cryptography.fernet import Fernet
from sqlalchemy import select

from vye_pipeline.columns.text import text_bytes
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.checking import check
from vye_pipeline.records.layout import split_lines
from vye_pipeline.settings import Settings
from vye_pipeline.sql.frames import read_frame
from vye_pipeline.vye_database.tables import Base
from vye_pipeline_tests.bench import by_hand
from vye_pipeline_tests.bench.asked import Statement, asked, bring
from vye_pipeline_tests.bench.pipeline import DAY
from vye_pipeline_tests.bench.processes import TIMES, seconds
from vye_pipeline_tests.bench.rows import Rows

IDENTITY_JOIN = re.compile(r"LEFT OUTER JOIN mpi_identities ON \S+ = \S+")
IDENTITY_COLUMN = re.compile(r"mpi_identities\.\w+")

Floors = dict[str, dict[str, float]]


def measure(settings: Settings) -> Floors:
    """Times the floors of a finished day.

    Returns:
        Seconds, by step (egress, reconcile) and stage.
    """
    rows = Rows(settings)
    snapshots = {**rows.kept, **{f"upload/{kind.name}": rows.sent[kind] for kind in KINDS}}
    files = {f"file/{kind.name}": rows.sent[kind] for kind in KINDS}
    answers = {
        f"answer/{kind.name}/{number}": content
        for kind in KINDS
        for number, content in enumerate(rows.answers[kind])
    }
    place = _place(settings)
    egress: dict[str, Callable[[], object]] = {
        "read": read(rows),
        "normalise": normalise(rows),
        "validate": validate(rows),
        "claim": write_again(rows, "claims"),
        "render": render(rows),
        "digest": lambda: _digest([*snapshots.values(), *files.values()]),
        "snapshot": lambda: _keep(place, snapshots),
        "put": lambda: _put(place, files),
    }
    sealed = {name: _sealed(content) for name, content in files.items()}
    reconcile: dict[str, Callable[[], object]] = {
        "read claims": read_claims(rows),
        "digest": lambda: _digest(answers.values()),
        "snapshot": lambda: (
            _keep(place, answers),
            [_opened(content) for content in sealed.values()],
        ),
        "parse": parse(rows),
        "diff": diff(rows),
        "write results": write_again(rows, "reconciliations"),
    }
    return {
        step: {stage: seconds(floor)[0] for stage, floor in floors.items()}
        for step, floors in (("egress", egress), ("reconcile", reconcile))
    }


def identity(settings: Settings) -> dict[str, float]:
    """Times what it costs to resolve the veterans' SSNs within the read.

    Returns:
        Seconds: `stage`, the read's query less the same without its join to the identities; and
        `floor`, an Arrow join of the same rows.
    """
    rows = Rows(settings)
    with_join = _statements_of_read(rows)
    without = [(_without_identity(text), parameters) for text, parameters in with_join]
    engine = rows.pipeline.vye_engine
    whole, part, bare = seconds(
        lambda: bring(engine, with_join), lambda: bring(engine, without), _arrow_join(rows)
    )
    return {"stage": max(whole - part, 0.0), "floor": bare}


def _without_identity(statement: Any) -> str:
    bare, joins = IDENTITY_JOIN.subn("", str(statement))
    assert joins or "mpi_identities" not in bare, "the read finds identities in another way"
    return IDENTITY_COLUMN.sub("''", bare)


def _arrow_join(rows: Rows) -> Callable[[], object]:
    tables = Base.metadata.tables
    profiles, identities = tables["vye_user_profiles"].c, tables["mpi_identities"].c
    with rows.pipeline.vye_engine.connect() as connection:
        left, right = (
            pa.Table.from_pandas(read_frame(connection, query), preserve_index=False)
            for query in (select(profiles.id, profiles.icn), select(identities.icn, identities.ssn))
        )
    return lambda: left.join(right, "icn")


def read(rows: Rows) -> Callable[[], object]:
    """The answer to the same queries, taken as it comes."""
    statements, engine = _statements_of_read(rows), rows.pipeline.vye_engine
    assert bring(engine, statements)
    return lambda: bring(engine, statements)


def _statements_of_read(rows: Rows) -> list[Statement]:
    with asked(rows.pipeline.vye_engine) as statements:
        for kind in KINDS:
            rows.read(kind)
    return statements


def read_claims(rows: Rows) -> Callable[[], object]:
    """The same for the claims, in the ledger."""
    engine = rows.pipeline.ledger.engine
    with asked(engine) as statements:
        for kind in KINDS:
            rows.pipeline.ledger.claimed(DAY, kind)[1]
    return lambda: bring(engine, statements)


def normalise(rows: Rows) -> Callable[[], object]:
    """A look at every character."""
    return lambda: all(by_hand.is_normal(kind, rows.records[kind]) for kind in KINDS)


def validate(rows: Rows) -> Callable[[], object]:
    """The same rules without pandera; sound records and damaged ones get the same answer."""
    for kind in KINDS:
        for records in (rows.records[kind], damaged(kind, rows.records[kind])):
            given = check(kind, records)
            found = given.findings[given.findings["is_quarantining"]]
            expected = set(found[["record_id", "field", "code"]].itertuples(index=False, name=None))
            assert by_hand.faults(kind, given.records) == expected, kind.name
    return lambda: [by_hand.faults(kind, rows.records[kind]) for kind in KINDS]


def damaged(kind: Kind, records: pd.DataFrame) -> pd.DataFrame:
    """Returns some of the records with every rule of every column broken somewhere."""
    some = records.head(40).reset_index(drop=True)
    bad = ["", " ", "x", "123456789012345678", "021000022", "\u6f22", "2025-4-1", "~" * 40]
    for place, column in enumerate(kind.columns):
        changed = [bad[(row + place) % len(bad)] for row in range(len(some))]
        some[column.name] = pd.Series(changed, dtype="str")
    return some


def write_again(rows: Rows, table: str) -> Callable[[], object]:
    """The rows of a ledger's table, ready-made, into one like it: indexes and checks and all."""
    engine = rows.pipeline.ledger.engine
    make = _copies if engine.dialect.name == "postgresql" else _inserts
    return make(engine, table)


def _copies(engine: Any, table: str) -> Callable[[], object]:
    names, order = ", ".join(_columns(engine, table)), "kind, record_id, line_number"
    parts = []
    with engine.begin() as connection:
        for kind in KINDS:
            buffer = BytesIO()
            query = f"SELECT {names} FROM {table} WHERE kind = '{kind.name}' ORDER BY {order}"
            with connection.connection.cursor().copy(
                f"COPY ({query}) TO STDOUT (FORMAT csv)"
            ) as copy:
                for block in copy:
                    buffer.write(block)
            parts.append(buffer.getvalue())
        for number in range(TIMES):
            connection.exec_driver_sql(
                f"CREATE TABLE {table}_floor_{number} (LIKE {table} INCLUDING ALL)"
            )
    numbers = count()

    def write() -> None:
        target = f"{table}_floor_{next(numbers)}"
        for part in parts:
            with engine.begin() as connection:
                with connection.connection.cursor().copy(
                    f"COPY {target} ({names}) FROM STDIN (FORMAT csv)"
                ) as copy:
                    copy.write(part)

    return write


def _inserts(engine: Any, table: str) -> Callable[[], object]:
    columns = _columns(engine, table)
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    with engine.begin() as connection:
        parts = [
            [
                tuple(row)
                for row in connection.exec_driver_sql(
                    f"SELECT {names} FROM {table} WHERE kind = ?", (kind.name,)
                )
            ]
            for kind in KINDS
        ]
        definitions = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
            "AND tbl_name = ?",
            (table,),
        ).scalars()
        for definition in list(definitions):
            for number in range(TIMES):
                connection.exec_driver_sql(
                    re.sub(rf"\b{table}", f"floor_{number}_{table}", definition)
                )
    numbers = count()

    def write() -> None:
        statement = f"INSERT INTO floor_{next(numbers)}_{table} ({names}) VALUES ({marks})"
        for part in parts:
            with engine.begin() as connection:
                connection.exec_driver_sql(statement, part)

    return write


def _columns(engine: Any, table: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(f"SELECT * FROM {table} LIMIT 0").keys())


def render(rows: Rows) -> Callable[[], object]:
    """The fields as they stand in the lines, joined."""
    fields = {kind: _fields(kind, rows.sent[kind]) for kind in KINDS}
    for kind in KINDS:
        assert _joined(kind, fields[kind]) == rows.sent[kind], kind.name
    return lambda: [_joined(kind, fields[kind]) for kind in KINDS]


def _fields(kind: Kind, content: bytes) -> list[Any]:
    if not kind.is_fixed_width:
        parts = pc.split_pattern(split_lines(content), kind.separator)
        return [pc.list_element(parts, position) for position in range(len(kind.fields))]
    width = sum(field.width for field in kind.fields) + 1
    codes = np.frombuffer(content, np.uint8).reshape(-1, width)
    ends = np.cumsum([field.width for field in kind.fields] + [1])
    return [np.ascontiguousarray(part) for part in np.split(codes, ends[:-1], axis=1)]


def _joined(kind: Kind, fields: list[Any]) -> bytes:
    if kind.is_fixed_width:
        return np.concatenate(fields, axis=1).tobytes()
    lines = pc.binary_join_element_wise(*fields, kind.separator)
    return text_bytes(pc.binary_join_element_wise(lines, "\n", "")).codes.tobytes()


def parse(rows: Rows) -> Callable[[], object]:
    """The lines of the acknowledgements, as one column."""
    contents = [content for kind in KINDS for content in rows.answers[kind]]
    return lambda: [lines_of(content) for content in contents]


def lines_of(content: bytes) -> pa.Table:
    """Reads the lines of an acknowledgement as Arrow reads CSV."""
    return pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(column_names=["line"]),
        parse_options=pa_csv.ParseOptions(delimiter="\x1f", quote_char=False),
    )


def diff(rows: Rows) -> Callable[[], object]:
    """A full join of lines and answers, of each kind; nothing is classified."""
    joins = [full_join(rows, kind) for kind in KINDS if len(rows.answers[kind])]
    return lambda: [join() for join in joins]


def full_join(rows: Rows, kind: Kind) -> Callable[[], pl.DataFrame]:
    """The join of one kind, its answers in no order.

    By the line itself: BDN numbers what it received, so where it lost one, numbers join nothing.
    """
    lines = split_lines(rows.sent[kind])
    sent = pl.DataFrame({"line_number": np.arange(1, len(lines) + 1), "line": pl.from_arrow(lines)})
    echoes = pd.concat([one.details for one in rows.shuffled(kind)])
    answered = pl.DataFrame(
        {
            "line_number": echoes["line_number"].to_numpy(),
            "echo": pl.Series(pa.array(echoes["echo"], pa.string()), dtype=pl.String),
        }
    )
    return lambda: sent.join(answered, left_on="line", right_on="echo", how="full")


def _digest(contents: Any) -> list[str]:
    return [hashlib.sha256(content).hexdigest() for content in contents]


CIPHER = Fernet(Fernet.generate_key())


def _sealed(content: bytes) -> bytes:
    return CIPHER.encrypt(pa.compress(content, "zstd", asbytes=True))


def _opened(sealed: bytes) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(CIPHER.decrypt(sealed)), "zstd").read()


class _Folder:
    """Files, written and read as they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


class _Bucket:
    """Objects, put and got by the vendor's client alone."""

    def __init__(self, bucket: str) -> None:
        self._bucket, self._client = bucket, boto3.client("s3")

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=f"floor/{name}", Body=content)

    def read(self, name: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=f"floor/{name}")["Body"].read()


def _place(settings: Settings) -> _Folder | _Bucket:
    if settings.objects_url.startswith("s3://"):
        return _Bucket(settings.objects_url.split("/")[2])
    return _Folder(settings.folder / "floor")


def _keep(place: _Folder | _Bucket, contents: dict[str, bytes]) -> int:
    for name, content in contents.items():
        place.write(name, _sealed(content))
    return len(contents)


def _put(place: _Folder | _Bucket, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        place.write(name, content)
        assert place.read(name) == content
