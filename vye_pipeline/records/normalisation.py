"""Making text readable for BDN before it is checked (bdn-interface.md, part 1).

Combining marks are stripped (José becomes Jose), tabs and line breaks become a space, and in
comma-separated files a comma does too. Each change is reported by its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from vye_pipeline.columns.text import Codes, characters

ACCENTS_REMOVED = "accents_removed"
LINE_BREAK_REPLACED = "line_break_replaced"
COMMA_REPLACED = "comma_replaced"

LINE_BREAK = "\r\n|[\t\n\v\f\r\x1c-\x1e\u0085\u2028\u2029]"
BEYOND_ASCII = 0x80

MEANINGS = {
    ACCENTS_REMOVED: "was sent without accents",
    LINE_BREAK_REPLACED: "was sent with a space for a tab or line break",
    COMMA_REPLACED: "was sent with a space for a comma",
}


@dataclass(frozen=True)
class Change:
    """One way in which values of a column were changed, with a mask of the rows."""

    code: str
    rows: pa.Array


def normalise(values: pa.Array, separator: str) -> tuple[pa.Array, list[Change]]:
    """Normalises a column of text without nulls.

    Args:
        values: the text as it was read.
        separator: the kind's; a value must not contain it.

    Returns:
        The text as it is checked and rendered, and the changes that were made.
    """
    changes = []
    for code, changed in _steps(values, separator):
        rows = pc.not_equal(values, changed)
        if pc.any(rows).as_py():
            changes.append(Change(code, rows))
            values = changed
    return values, changes


def _steps(values: pa.Array, separator: str) -> Iterator[tuple[str, pa.Array]]:
    """Yields each step's code and result, every step working on the result before it.

    A step that can't change anything, as the characters of the whole column tell, is left out.
    """
    if not _is_ascii(characters(values).codes):
        decomposed = pc.utf8_normalize(values, "NFKD")
        values = pc.replace_substring_regex(decomposed, r"\p{M}", "")
        yield ACCENTS_REMOVED, values
    codes = characters(values).codes
    if not _is_ascii(codes) or (codes < ord(" ")).any():
        values = pc.replace_substring_regex(values, LINE_BREAK, " ")
        yield LINE_BREAK_REPLACED, values
    if separator and (codes == ord(separator)).any():
        yield COMMA_REPLACED, pc.replace_substring(values, separator, " ")


def _is_ascii(codes: Codes) -> bool:
    return bool((codes < BEYOND_ASCII).all())
