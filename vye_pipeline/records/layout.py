"""Lines from records and fields from lines, both from a kind's declaration.

Whole columns of a file's parts at a time: each part is padded and joined, or split, by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from vye_pipeline.columns.parallel import rows, side_by_side, whole_lines
from vye_pipeline.columns.text import (
    Codes,
    TextBytes,
    byte_rows,
    from_byte_rows,
    lines_with_ends,
    rstripped,
    text_array,
    text_bytes,
)
from vye_pipeline.records.kind import Kind


def render(kind: Kind, records: pd.DataFrame) -> bytes:
    """Renders checked records, one line each, in the order given.

    Args:
        kind: their declaration.
        records: the kind's columns, normalised and without faults.

    Returns:
        The file: ASCII, every line ended by LF; empty for no records.

    Raises:
        ValueError: a value doesn't fit its place in a fixed-width line.
    """
    columns = {column.name: text_array(records[column.name]) for column in kind.columns}
    render_part = _render_fixed_width if kind.is_fixed_width else _render_separated
    parts = [
        {name: values[part] for name, values in columns.items()} for part in rows(len(records))
    ]
    return b"".join(side_by_side(partial(render_part, kind), parts))


def _render_fixed_width(kind: Kind, columns: dict[str, pa.Array]) -> memoryview:
    line = np.dtype([*((field.name, f"V{field.width}") for field in kind.fields), ("end", "V1")])
    lines = np.empty(len(columns[kind.columns[0].name]), dtype=line)
    for field in kind.fields:
        padded = _padded(field.encode(columns[field.column]), field.width)
        lines[field.name] = byte_rows(padded, field.width).view(line[field.name]).ravel()
    lines["end"] = b"\n"
    return lines.view(np.uint8).data


def _render_separated(kind: Kind, columns: dict[str, pa.Array]) -> memoryview:
    """Joins the fields and an empty last one; the separator before that becomes the line's end."""
    fields = [
        _padded(_spaced(field.encode(columns[field.column])), field.width) for field in kind.fields
    ]
    lines = text_bytes(pc.binary_join_element_wise(*fields, "", kind.separator))
    codes = lines.codes.copy()
    codes[lines.offsets[1:] - 1] = ord("\n")
    return codes.data


def _spaced(values: pa.Array) -> pa.Array:
    """Writes a blank value as one space (bdn-interface.md, part 1)."""
    given = text_bytes(values)
    if given.lengths.all() and not _begins_with_space(given):
        return values
    return pc.if_else(pc.equal(pc.ascii_trim(values, " "), ""), " ", values)


def _begins_with_space(given: TextBytes) -> bool:
    """Says whether one of the values does, none of which is empty."""
    is_space = given.codes == ord(" ")
    return bool(is_space.any() and is_space[given.offsets[:-1]].any())


def _padded(values: pa.Array, width: int) -> pa.Array:
    """Pads values with spaces to a width."""
    if text_bytes(values).lengths.min(initial=width) >= width:
        return values
    return pc.ascii_rpad(values, width, " ")


def split_lines(content: bytes) -> pa.Array:
    """Splits a rendered file into its lines, without their ends."""
    codes = np.frombuffer(content, dtype=np.uint8)
    parts = [codes[part] for part in whole_lines(content, 0, len(content))]
    return pa.concat_arrays(side_by_side(_lines_of, parts)) if parts else pa.array([], pa.string())


def _lines_of(codes: Codes) -> pa.Array:
    """Splits whole lines, given as their characters, without their ends."""
    return pc.ascii_rtrim(lines_with_ends(codes).array(), "\n")


def parse(kind: Kind, lines: pa.Array, names: Collection[str] | None = None) -> dict[str, pa.Array]:
    """Takes lines apart into fields, as far as they go.

    Args:
        kind: the declaration.
        lines: without line ends; they may be shorter, longer or other than the kind's.
        names: of the fields to return; all by default.

    Returns:
        One text column per field, without the padding; null where the line ends before the field.
        What follows the last field counts to it.
    """
    names = [field.name for field in kind.fields] if names is None else names
    if kind.is_fixed_width:
        return _parse_fixed_width(kind, lines, names)
    parts = pc.split_pattern(lines, kind.separator, max_splits=len(kind.fields) - 1)
    counts = pc.list_value_length(parts)
    return {
        field.name: rstripped(_part(parts, counts, position))
        for position, field in enumerate(kind.fields)
        if field.name in names
    }


def _parse_fixed_width(kind: Kind, lines: pa.Array, names: Collection[str]) -> dict[str, pa.Array]:
    given = text_bytes(lines)
    width = sum(field.width for field in kind.fields)
    take = _take_whole if (given.lengths == width).all() else _take_ragged
    fields, start = {}, 0
    for field in kind.fields:
        if field.name in names:
            fields[field.name] = rstripped(take(lines, start, start + field.width, width))
        start += field.width
    return fields


def _take_whole(lines: pa.Array, start: int, stop: int, width: int) -> pa.Array:
    """Takes a field out of lines that are all as wide as they should be."""
    field = text_bytes(lines).codes.reshape(-1, width)[:, start:stop].view(f"V{stop - start}")
    return from_byte_rows(field.copy().view(np.uint8))  # copied by the field, not by the character


def _take_ragged(lines: pa.Array, start: int, stop: int, width: int) -> pa.Array:
    """Takes a field out of lines of any width; what is beyond the last field counts to it."""
    values = pc.utf8_slice_codeunits(lines, start, None if stop == width else stop)
    return pc.if_else(pc.greater(pc.utf8_length(lines), start), values, None)


def _part(parts: pa.Array, counts: pa.Array, position: int) -> pa.Array:
    """Returns each row's part at a position, null where there are fewer."""
    reached = pc.greater(counts, position)
    starts = np.asarray(parts.offsets)[: len(parts)]
    indices = pc.if_else(reached, pa.array(starts + position), None)
    return parts.values.take(indices)
