"""The rules of every column, written out for Arrow alone: what pandera's checks cost is beside it.

Each rule of vye_pipeline.records.rules by its code; the bench holds both to the same answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from vye_pipeline.columns.text import text_array, text_bytes
from vye_pipeline.records import Kind

PATTERNS = {
    "not_ascii": "[ -~]*",
    "ssn": "[0-9]{1,9}",
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "source_ind": "[WP]",
    "acct_type": "checking|savings",
    "acct_no": "[0-9]{1,17}",
    "routing_no": "[0-9]{9}",
    "zeros": ".*[^0].*",
    "email": "[^ ,`]*",
}
SPACE, LAST_PRINTABLE = ord(" "), ord("~")
WEIGHTS = np.array([3, 7, 1] * 3)

Found = set[tuple[int, str, str]]


def faults(kind: Kind, records: pd.DataFrame) -> Found:
    """Returns record_id, column and code of every broken rule."""
    ids = records["record_id"].to_numpy()
    found: Found = set()
    for column in kind.columns:
        values = text_array(records[column.name])
        for rule in kind.rules(column):
            broken = np.flatnonzero(~_kept(rule.code, kind, column.name, values))
            found |= {(int(ids[row]), column.name, rule.code) for row in broken}
    return found


def _kept(code: str, kind: Kind, column: str, values: pa.Array) -> Any:
    if code == "required":
        return _mask(pc.not_equal(pc.ascii_trim(values, " "), ""))
    if code == "too_wide":
        width = next(field.width for field in kind.fields if field.column == column)
        return _mask(pc.less_equal(pc.utf8_length(values), width))
    if code == "routing_check_digit":
        return _fits(values)
    return _mask(pc.match_substring_regex(values, rf"\A(?: *|{PATTERNS[code]})\z"))


def _fits(values: pa.Array) -> Any:
    is_whole = pc.match_substring_regex(values, r"\A[0-9]{9}\z")
    whole = pc.if_else(is_whole, values, "000000000")
    digits = text_bytes(whole).codes.reshape(-1, len(WEIGHTS)) - ord("0")
    return digits @ WEIGHTS % 10 == 0


def _mask(values: pa.Array) -> Any:
    return values.to_numpy(zero_copy_only=False)


def is_normal(kind: Kind, records: pd.DataFrame) -> bool:
    """Says whether no value of any column has to be normalised."""
    return all(_is_plain(kind, text_array(records[column.name])) for column in kind.columns)


def _is_plain(kind: Kind, values: pa.Array) -> bool:
    given = text_bytes(values).codes
    if not len(given):
        return True
    if given.min() < SPACE or given.max() > LAST_PRINTABLE:
        return False
    return not ((given == ord("`")) | (given == ord(kind.separator or "`"))).any()
