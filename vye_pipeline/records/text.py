"""Columns of text between pandas and Arrow."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa


def text_array(values: pd.Series[str]) -> pa.Array:
    """Returns a text column as one contiguous Arrow array of strings, also where it is empty."""
    if values.empty:
        return pa.array([], pa.string())
    return pa.chunked_array([pa.array(values, type=pa.string())]).combine_chunks()
