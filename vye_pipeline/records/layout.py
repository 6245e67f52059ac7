"""Lines from records and fields from lines, both from a kind's declaration.

Whole columns at a time; a file is rendered in chunks, so that memory holds the file and one chunk.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from vye_pipeline.records.kind import Field, Kind
from vye_pipeline.records.text import text_array

CHUNK_ROWS = 32_768


def render(kind: Kind, records: pd.DataFrame) -> bytes:
    """Renders checked records, one line each, in the order given.

    Args:
        kind: their declaration.
        records: the kind's columns, normalised and without faults.

    Returns:
        The file: ASCII, every line ended by LF; empty for no records.
    """
    columns = {column.name: text_array(records[column.name]) for column in kind.columns}
    return b"".join(
        _render_chunk(
            kind, {name: values.slice(start, CHUNK_ROWS) for name, values in columns.items()}
        )
        for start in range(0, len(records), CHUNK_ROWS)
    )


def _render_chunk(kind: Kind, columns: dict[str, pa.Array]) -> bytes:
    fields = [_render_field(field, columns[field.column]) for field in kind.fields]
    lines = pc.binary_join_element_wise(*fields, kind.separator)
    ended = pc.binary_join_element_wise(lines, "", "\n")
    return _content(ended)


def _render_field(field: Field, values: pa.Array) -> pa.Array:
    """Encodes and pads; a blank value is one space, then padded (bdn-interface.md, part 1)."""
    encoded = field.encode(values)
    is_blank = pc.equal(pc.ascii_trim(encoded, " "), "")
    return pc.ascii_rpad(pc.if_else(is_blank, " ", encoded), field.width, " ")


def _content(values: pa.Array) -> bytes:
    """Returns the characters of all values, which Arrow keeps one behind the other."""
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset :]
    return values.buffers()[2][int(offsets[0]) : int(offsets[len(values)])].to_pybytes()


def split_lines(content: bytes) -> pa.Array:
    """Splits a rendered file into its lines, without their ends."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n")) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    lines = pa.LargeStringArray.from_buffers(
        len(ends), pa.py_buffer(offsets), pa.py_buffer(content)
    )
    return pc.ascii_rtrim(lines, "\n").cast(pa.string())


def parse(kind: Kind, lines: pa.Array) -> dict[str, pa.Array]:
    """Takes lines apart into fields, as far as they go.

    Args:
        kind: the declaration.
        lines: without line ends; they may be shorter, longer or other than the kind's.

    Returns:
        One text column a field, without the padding; null where the line ends before the field.
        What follows the last field counts to it.
    """
    if kind.is_fixed_width:
        return _parse_fixed_width(kind, lines)
    parts = pc.split_pattern(lines, kind.separator, max_splits=len(kind.fields) - 1)
    counts = pc.list_value_length(parts)
    return {
        field.name: _stripped(_part(parts, counts, position))
        for position, field in enumerate(kind.fields)
    }


def _parse_fixed_width(kind: Kind, lines: pa.Array) -> dict[str, pa.Array]:
    fields, start = {}, 0
    lengths = pc.utf8_length(lines)
    for field in kind.fields:
        stop = None if field is kind.fields[-1] else start + field.width
        values = pc.utf8_slice_codeunits(lines, start, stop)
        reached = pc.greater(lengths, start)
        fields[field.name] = _stripped(pc.if_else(reached, values, None))
        start += field.width
    return fields


def _part(parts: pa.Array, counts: pa.Array, position: int) -> pa.Array:
    """Returns each row's part at a position, null where there are fewer."""
    reached = pc.greater(counts, position)
    starts = np.asarray(parts.offsets)[: len(parts)]
    indices = pc.if_else(reached, pa.array(starts + position), None)
    return parts.values.take(indices)


def _stripped(values: pa.Array) -> pa.Array:
    return pc.ascii_rtrim(values, " ")
