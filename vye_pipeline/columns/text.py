"""Columns of text between pandas, Arrow and their bare characters in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.uint8]


def text_array(values: pd.Series[str]) -> pa.Array:
    """Returns a text column as one contiguous Arrow array of strings, also where it is empty."""
    array = pa.array(values, type=pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def text_series(values: pa.Array | pa.ChunkedArray) -> pd.Series[str]:
    """Returns an Arrow column of strings as a text column."""
    return pd.Series(pd.array(values.cast(pa.large_string()), dtype="str"))


@dataclass(frozen=True)
class TextBytes:
    """A column of text as its characters, one value behind the other.

    Attributes:
        codes: of all values, in UTF-8.
        offsets: where each value begins, and the end of the last one.
    """

    codes: Codes
    offsets: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int32]:
        """The length of each value in bytes."""
        lengths: NDArray[np.int32] = self.offsets[1:] - self.offsets[:-1]
        return lengths

    def array(self) -> pa.Array:
        """Returns the column for Arrow."""
        return pa.StringArray.from_buffers(
            len(self.offsets) - 1,
            pa.py_buffer(np.ascontiguousarray(self.offsets, dtype=np.int32)),
            pa.py_buffer(np.ascontiguousarray(self.codes)),
        )


def text_bytes(values: pa.Array) -> TextBytes:
    """Returns the characters of an Arrow array of strings without nulls; nothing is copied."""
    _, offsets, codes = values.buffers()
    if not len(values):
        return TextBytes(np.zeros(0, np.uint8), np.zeros(1, np.int32))
    mine = np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    # A column of nothing but empty values has no buffer of characters.
    held = np.frombuffer(codes, dtype=np.uint8) if codes else np.zeros(0, np.uint8)
    return TextBytes(held[mine[0] : mine[-1]], mine - mine[0])


def lines_with_ends(codes: Codes) -> TextBytes:
    """Returns the lines of characters that end with the last line's end, each with its own."""
    return TextBytes(codes, np.append(0, np.flatnonzero(codes == ord("\n")) + 1))


def byte_rows(values: pa.Array, width: int) -> Codes:
    """Returns values of one width as a matrix of characters, a row per value.

    Raises:
        ValueError: a value has another width.
    """
    given = text_bytes(values)
    if (given.lengths != width).any():
        raise ValueError(f"a value is not {width} characters wide")
    return given.codes.reshape(-1, width)


def from_byte_rows(codes: Codes) -> pa.Array:
    """Returns the rows of a matrix of characters as an Arrow array of strings."""
    count, width = codes.shape
    return TextBytes(codes.ravel(), np.arange(count + 1, dtype=np.int32) * np.int32(width)).array()


def cut(values: pa.Array, start: int, stop: int) -> pa.Array:
    """Takes some characters of ASCII values. Arrow 26 fails where it is given no end."""
    return pc.binary_slice(values.view(pa.binary()), start, stop).view(pa.string())


def rstripped(values: pa.Array) -> pa.Array:
    """Returns text without the blanks at its end; what has none is not copied."""
    return pc.ascii_rtrim(values, " ") if _ends_blank(values) else values


def _ends_blank(values: pa.Array) -> bool:
    """Says whether a value ends with a blank; where values are empty it may say so for nothing."""
    given = text_bytes(values)
    return bool(len(given.codes)) and bool((given.codes[given.offsets[1:] - 1] == ord(" ")).any())
