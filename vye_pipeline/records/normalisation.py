"""Making text readable for BDN before it is checked (bdn-interface.md, part 1).

Each change has a name of its own, by which it is reported. Normalising twice changes nothing: so
invisible characters, which may stand between a letter and its accent, go first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.columns.text import TextBytes, text_bytes
from vye_pipeline.records.encoding import digits
from vye_pipeline.records.kind import Content

INVISIBLE_REMOVED = "invisible_removed"
ACCENTS_REMOVED = "accents_removed"
DECOMPOSED = "decomposed"
LINE_BREAK_REPLACED = "line_break_replaced"
SPACE_REPLACED = "space_replaced"
TYPOGRAPHY_REPLACED = "typography_replaced"
COMMA_REPLACED = "comma_replaced"
BLANKS_REMOVED = "blanks_removed"
PHONE_REDUCED = "phone_reduced"

MEANINGS = {
    INVISIBLE_REMOVED: "was sent without characters that can't be seen",
    ACCENTS_REMOVED: "was sent without accents",
    DECOMPOSED: "was sent with a plain letter or mark for its double in Unicode",
    LINE_BREAK_REPLACED: "was sent with a space for a tab or line break",
    SPACE_REPLACED: "was sent with a plain space for another one",
    TYPOGRAPHY_REPLACED: "was sent with plain quotes, dashes or dots for typographic ones",
    COMMA_REPLACED: "was sent with a space for a comma",
    BLANKS_REMOVED: "was sent without the blanks at its ends",
    PHONE_REDUCED: "was sent with its digits alone",
}

BEYOND_ASCII = 0x80
GRAVE = 0x60
LAST_MARK = 0x1E94A  # no later code point has a combining class above 0 (Unicode 16)
FIRST_MARK = 0x300
INVISIBLE = r"\p{Cf}"
LINE_BREAK = "\r\n|[\t\n\v\f\r\u0085\u2028\u2029]"
OTHER_SPACE = r"[\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"
TYPOGRAPHY = (
    ("['\u2018\u2019\u201b\u02b9\u02bb\u02bc\u2032\u00b4\u0060]", "'"),
    ('["\u201c\u201d\u201e\u2033]', '"'),
    ("[\u2010-\u2015\u2212]", "-"),
    ("\u2026", "..."),
)
USUAL_IN_A_PHONE = "[0-9 ().+/-]*"

Rows = NDArray[np.int64]
Step = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class Change:
    """One way in which values of a column were changed, with the numbers of their rows from 0."""

    code: str
    rows: Rows


def normalise(values: pa.Array, content: Content, separator: str) -> tuple[pa.Array, list[Change]]:
    """Normalises a column of text without nulls.

    Args:
        values: the text as it was read.
        content: what kind of text it is.
        separator: the kind's; a value must not contain it.

    Returns:
        The text as it is checked and rendered, and the changes that were made.
    """
    if content == "phone":
        return _reduced(values)
    changes: list[Change] = []
    odd = _odd_rows(text_bytes(values))
    if len(odd):  # mostly few, and nothing below is done to the others
        readable = values.take(odd)
        for code, step in _steps(content):
            readable = _apply(code, step, readable, odd, changes)
        mask = np.zeros(len(values), dtype=bool)
        mask[odd] = True
        values = pc.replace_with_mask(values, mask, readable)
    for code, step in _endings(values, content, separator):
        values = _apply(code, step, values, np.arange(len(values)), changes)
    return values, changes


def _apply(code: str, step: Step, values: pa.Array, rows: Rows, changes: list[Change]) -> pa.Array:
    """Does a step and notes the rows that it has changed."""
    changed = step(values)
    is_other = pc.not_equal(values, changed).to_numpy(zero_copy_only=False)
    if is_other.any():
        changes.append(Change(code, rows[is_other]))
    return changed


def _odd_rows(given: TextBytes) -> Rows:
    """Returns which values hold anything but printable ASCII, or a grave for an apostrophe."""
    codes = given.codes
    odd = np.flatnonzero((codes >= BEYOND_ASCII) | (codes < ord(" ")) | (codes == GRAVE))
    rows: Rows = np.unique(np.searchsorted(given.offsets, odd, side="right") - 1)
    return rows


def _steps(content: Content) -> Iterator[tuple[str, Step]]:
    """Yields what is done to odd values; an e-mail address keeps all that can be seen."""
    yield INVISIBLE_REMOVED, _replacing(INVISIBLE, "")
    if content != "email":
        yield ACCENTS_REMOVED, _without_accents
        yield DECOMPOSED, partial(pc.utf8_normalize, form="NFD")
    yield LINE_BREAK_REPLACED, _replacing(LINE_BREAK, " ")
    yield SPACE_REPLACED, _replacing(OTHER_SPACE, " ")
    if content != "email":
        yield TYPOGRAPHY_REPLACED, _with_plain_typography


def _endings(values: pa.Array, content: Content, separator: str) -> Iterator[tuple[str, Step]]:
    """Yields what is done to all values, where the characters of the column tell that it must."""
    codes = text_bytes(values).codes
    if separator and content != "email" and (codes == ord(separator)).any():
        yield COMMA_REPLACED, partial(pc.replace_substring, pattern=separator, replacement=" ")
    if content != "text" and ((codes == ord(" ")) | (codes == ord(separator or " "))).any():
        yield BLANKS_REMOVED, partial(pc.ascii_trim, characters=" ")


def _replacing(pattern: str, replacement: str) -> Step:
    return partial(pc.replace_substring_regex, pattern=pattern, replacement=replacement)


def _without_accents(values: pa.Array) -> pa.Array:
    """Strips the marks that follow a Latin letter; what has none of them stays as it is."""
    decomposed = pc.utf8_normalize(values, "NFD")
    stripped = pc.replace_substring_regex(decomposed, rf"(\p{{Latin}})[{_marks()}]+", r"\1")
    return pc.if_else(pc.equal(stripped, decomposed), values, stripped)


def _with_plain_typography(values: pa.Array) -> pa.Array:
    for pattern, replacement in TYPOGRAPHY:
        values = pc.replace_substring_regex(values, pattern, replacement)
    return values


@cache
def _marks() -> str:
    """Returns the marks of a combining class above 0 for a regular expression's class."""
    marks = range(FIRST_MARK, LAST_MARK + 1)
    return "".join(rf"\x{{{mark:x}}}" for mark in marks if unicodedata.combining(chr(mark)))


def _reduced(values: pa.Array) -> tuple[pa.Array, list[Change]]:
    """Reduces phones to digits; more than the usual punctuation in them is worth a word."""
    reduced = digits(values).array()
    if pc.equal(pc.binary_length(values), pc.binary_length(reduced)).to_numpy(False).all():
        return values, []
    is_usual = pc.match_substring_regex(values, f"^{USUAL_IN_A_PHONE}$")
    rows = np.flatnonzero(~is_usual.to_numpy(zero_copy_only=False))
    return reduced, [Change(PHONE_REDUCED, rows)] if len(rows) else []
