"""The pipeline's functions beside what else could do their work, on the same rows, in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from mmap import PAGESIZE
from typing import Any

import datacompy
import pandas as pd
import polars as pl
from sqlalchemy import select

from vye_pipeline.bdn.acknowledgement import Acknowledgement
from vye_pipeline.columns.text import text_array, text_series
from vye_pipeline.ledger.models import METADATA
from vye_pipeline.reconciliation.diff import compare
from vye_pipeline.records import KINDS, VERIFICATIONS, Kind, checking
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.records.layout import parse as parse_fields
from vye_pipeline.records.layout import render, split_lines
from vye_pipeline.settings import Settings
from vye_pipeline.sql.frames import read_frame
from vye_pipeline_tests.bench import floors
from vye_pipeline_tests.bench.processes import in_a_process, seconds
from vye_pipeline_tests.bench.rows import Rows
from vye_pipeline_tests.bench.stopwatch import forget_peak_memory, peak_memory

QUICK_TIMES = 7  # what takes part of a second varies by more
SAMPLE = 100_000  # rows for what is slow: its time grows with them
ACKNOWLEDGEMENT_WIDTHS = (1, 9, 1, 4, 29)
PIPELINE, POLARS = "compare", "polars"

Measured = dict[str, float]


def measure(settings: Settings) -> dict[str, Measured]:
    """Times pairs on a finished day of PostgreSQL, each in a process of its own.

    Returns:
        By what is compared: seconds or bytes of each side, and `lines` where a rate is asked for.
    """
    pairs = (read, validate, render_lines, parse, diff, write_results)
    measured = {pair.__name__: in_a_process(pair, settings) for pair in pairs}
    memory = {side: in_a_process(diff_memory, settings, side) for side in (PIPELINE, POLARS)}
    return {**measured, "diff_memory": {side: float(held) for side, held in memory.items()}}


def read(settings: Settings) -> Measured:
    """The read as frames beside the same COPYs unparsed."""
    rows = Rows(settings)
    ours, bare = seconds(lambda: [rows.read(kind) for kind in KINDS], floors.read(rows))
    return {"ours": ours, "bare": bare}


def validate(settings: Settings) -> Measured:
    """Pandera's checks beside the same rules by hand."""
    rows = Rows(settings)
    bare = floors.validate(rows)
    ours, by_hand_ = seconds(
        lambda: [checking._faults(kind, rows.records[kind]) for kind in KINDS], bare
    )
    return {"ours": ours, "by hand": by_hand_}


def render_lines(settings: Settings) -> Measured:
    """How long the lines of 29 characters and those of 14 fields take."""
    rows = Rows(settings)
    kinds = (VERIFICATIONS, DIRECT_DEPOSIT_CHANGES)
    fixed, separated = seconds(*(_renderer(rows, kind) for kind in kinds), times=QUICK_TIMES)
    lines = [len(rows.records[kind]) for kind in kinds]
    return {
        "29 characters": fixed,
        "lines of 29 characters": lines[0],
        "14 fields": separated,
        "lines of 14 fields": lines[1],
    }


def _renderer(rows: Rows, kind: Kind) -> Callable[[], bytes]:
    records = rows.records[kind]
    assert render(kind, records) == rows.sent[kind], kind.name
    return lambda: render(kind, records)


def parse(settings: Settings) -> Measured:
    """The parse of an acknowledgement beside pandas.read_fwf, on its first lines."""
    rows = Rows(settings)
    content = rows.answers[VERIFICATIONS][0]
    lines = content.count(b"\n")
    details = content.splitlines(keepends=True)[1:-1][:SAMPLE]
    sample = b"".join(details)
    ours, bare, fwf = seconds(
        lambda: rows.acknowledgements(VERIFICATIONS),
        lambda: [floors.lines_of(one) for one in rows.answers[VERIFICATIONS]],
        lambda: _read_fwf(sample),
        times=QUICK_TIMES,
    )
    return {
        "ours": ours,
        "lines": lines,
        "bare": bare,
        "read_fwf": fwf,
        "lines of read_fwf": len(details),
    }


def _read_fwf(content: bytes) -> pd.DataFrame:
    return pd.read_fwf(
        BytesIO(content), widths=ACKNOWLEDGEMENT_WIDTHS, header=None, dtype="str", delimiter="\n"
    )


def diff(settings: Settings) -> Measured:
    """The comparison beside a bare polars full join, and datacompy on both kinds of frame."""
    rows = Rows(settings)
    answers = rows.shuffled(VERIFICATIONS)
    sent = rows.sent[VERIFICATIONS]
    lines = text_series(split_lines(sent))
    echoes = pd.concat([one.details for one in answers])["echo"]
    ours, theirs = (_fields(values) for values in (lines, echoes))
    polars = (pl.from_pandas(ours), pl.from_pandas(theirs))
    key = list(VERIFICATIONS.identity)
    join = floors.full_join(rows, VERIFICATIONS)
    assert len(join()) >= len(lines)
    whole = [_with_nothing_lost(answers[0], lines)]
    compared, compared_whole, joined = seconds(
        lambda: compare(VERIFICATIONS, sent, answers, is_overdue=False),
        lambda: compare(VERIFICATIONS, sent, whole, is_overdue=False),
        join,
        times=QUICK_TIMES,
    )
    in_pandas, in_polars = seconds(
        lambda: datacompy.PandasCompare(ours, theirs, join_columns=key),
        lambda: datacompy.PolarsCompare(*polars, join_columns=key),
    )
    return {
        "ours": compared,
        "ours, no line lost": compared_whole,
        "polars": joined,
        "datacompy": in_pandas,
        "datacompy on polars": in_polars,
    }


def _fields(lines: pd.Series[str]) -> pd.DataFrame:
    """Takes lines apart for a comparison that joins them by identity, field by field."""
    return pd.DataFrame(
        {
            name: text_series(values)
            for name, values in parse_fields(VERIFICATIONS, text_array(lines)).items()
        }
    )


def _with_nothing_lost(one: Acknowledgement, lines: pd.Series[str]) -> Acknowledgement:
    """Returns an acknowledgement that accepts every line at its number, in no order.

    A line that BDN has lost moves all after it to other numbers, so that they are found by their
    identity; here none is.
    """
    details = pd.DataFrame(
        {
            "line_number": range(1, len(lines) + 1),
            "is_accepted": True,
            "reason_code": pd.Series("", index=lines.index, dtype="str"),
            "echo": lines,
        }
    )
    shuffled = details.sample(frac=1, random_state=0, ignore_index=True)
    return replace(
        one,
        lines_received=len(lines),
        accepted_count=len(lines),
        rejected_count=0,
        details=shuffled,
    )


def diff_memory(settings: Settings, side: str) -> int:
    """Returns the bytes that a comparison or a join holds at most beyond what it is given.

    Memory is counted in pages: what finds room in the ones that are there counts as one.
    """
    rows = Rows(settings)
    answers = rows.shuffled(VERIFICATIONS)
    sent = rows.sent[VERIFICATIONS]
    join = floors.full_join(rows, VERIFICATIONS)
    work: Callable[[], object] = join
    if side == PIPELINE:
        work = lambda: compare(VERIFICATIONS, sent, answers, is_overdue=False)  # noqa: E731
    forget_peak_memory()
    before = peak_memory()
    result = work()
    held = max(peak_memory() - before, PAGESIZE)
    del result
    return held


def write_results(settings: Settings) -> Measured:
    """How long pandas' to_sql takes for the first of the day's results."""
    rows = Rows(settings)
    engine = rows.pipeline.ledger.engine
    table: Any = METADATA.tables["reconciliations"]
    query = select(*table.c).limit(SAMPLE)
    with engine.begin() as connection:
        results = read_frame(connection, query)
        results["partition_date"] = pd.to_datetime(results["partition_date"]).dt.date
        connection.exec_driver_sql(
            "CREATE TABLE results_by_to_sql (LIKE reconciliations INCLUDING ALL)"
        )

    def write() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            results.to_sql("results_by_to_sql", connection, if_exists="append", index=False)
            transaction.rollback()

    return {"to_sql": seconds(write)[0], "rows of to_sql": len(results)}
