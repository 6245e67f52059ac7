"""What BDN's nightly feed costs, beside a bare split and cast of the same columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from vye_pipeline.bdn.wave_feed import (
    DATE,
    DIGITS,
    FIELDS,
    LAST_LINE,
    LINE_END,
    TEXT,
    WIDTH,
    parse_feed,
    render_feed,
)
from vye_pipeline_tests.bench.pipeline import NEVER_ISSUED
from vye_pipeline_tests.bench.processes import TIMES, in_a_process, seconds

LINES = 700_000
DIFFERENT = 1_000
PLACE = "inbound/2025-04-02/WAVE.txt"
CASTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    TEXT: lambda text: text,
    DATE: lambda text: pc.strptime(text, format="%Y%m%d", unit="s"),
    DIGITS: lambda text: text.cast(pa.int64()),
}


def measure(lines: int = LINES, times: int = TIMES) -> dict[str, float]:
    """Reads a feed as the pipeline does and barely, in turn.

    Args:
        lines: of the feed.
        times: how often each; the median counts.

    Returns:
        `lines`; seconds of `ours` and `bare`.
    """
    ours, bare = in_a_process(_timed, lines, times)
    return {"lines": lines, "ours": ours, "bare": bare}


def _timed(lines: int, times: int) -> list[float]:
    content = feed(lines)
    assert len(parse_feed(content, place=PLACE).lines) == lines
    assert len(split_and_cast(content)) == len(FIELDS)
    return seconds(
        lambda: parse_feed(content, place=PLACE), lambda: split_and_cast(content), times=times
    )


def feed(lines: int) -> bytes:
    """Returns a feed in which all fields of each line are filled."""
    numbers = np.arange(min(lines, DIFFERENT))
    filled = {
        field.name: "20250401" if field.content == DATE else "7" * field.width for field in FIELDS
    }
    frame = pd.DataFrame(filled, index=numbers, dtype="str")
    frame["ssn"] = (NEVER_ISSUED + numbers).astype(str)
    some = render_feed(frame).removesuffix(f"{LAST_LINE.decode().strip()}{LINE_END}".encode())
    whole, rest = divmod(lines, len(numbers))
    return some * whole + some[: rest * (WIDTH + len(LINE_END))] + LAST_LINE


def split_and_cast(content: bytes) -> list[pa.Array]:
    """Splits lines of one width into columns and casts dates and numbers; looks at nothing else."""
    width = WIDTH + len(LINE_END)
    rows = np.frombuffer(content, np.uint8, len(content) - len(LAST_LINE)).reshape(-1, width)
    columns, start = [], 0
    for field in FIELDS:
        values = np.ascontiguousarray(rows[:, start : start + field.width])
        fixed = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(field.width), len(rows), [None, pa.py_buffer(values)]
        )
        text = pc.ascii_rtrim(fixed.cast(pa.binary()).cast(pa.string()), " ")
        columns.append(CASTS[field.content](text))
        start += field.width
    return columns
