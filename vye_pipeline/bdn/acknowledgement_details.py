"""An acknowledgement's details, read column-wise, in parts."""

from __future__ import annotations

from functools import partial
from operator import itemgetter

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.acknowledgement_text import AcknowledgementText
from vye_pipeline.columns.parallel import side_by_side, whole_lines
from vye_pipeline.columns.text import (
    Codes,
    TextBytes,
    cut,
    from_byte_rows,
    lines_with_ends,
    text_bytes,
    text_series,
)

COUNT_WIDTH, CODE_WIDTH = 9, 4
STATUS_AT = 1 + COUNT_WIDTH  # its reason code follows, then the line
HEAD_WIDTH = STATUS_AT + 1 + CODE_WIDTH


def no_details() -> pd.DataFrame:
    """Returns the details of an acknowledgement that lists no line."""
    return pd.DataFrame(
        {
            "line_number": pd.Series(dtype="int64"),
            "is_accepted": pd.Series(dtype="bool"),
            "reason_code": pd.Series(dtype="str"),
            "echo": pd.Series(dtype="str"),
        }
    )


def read_details(text: AcknowledgementText, trailer_at: int, received: int) -> pd.DataFrame:
    """Reads the lines between header and trailer.

    Args:
        text: of the acknowledgement.
        trailer_at: where its trailer begins.
        received: how many lines BDN has received.

    Returns:
        As Acknowledgement.details.

    Raises:
        MalformedAcknowledgement: one isn't a detail, or contradicts itself.
    """
    parts = whole_lines(text.content, text.second_line, trailer_at)
    if not parts:
        return no_details()
    read = side_by_side(partial(_details_of, text, received), parts)
    line_numbers, is_accepted, reason_codes, echoes = zip(*read, strict=True)
    return pd.DataFrame(
        {
            "line_number": np.concatenate(line_numbers),
            "is_accepted": np.concatenate(is_accepted),
            "reason_code": text_series(pa.chunked_array(reason_codes)),
            "echo": text_series(pa.chunked_array(echoes)),
        }
    )


def _details_of(
    text: AcknowledgementText, received: int, part: slice
) -> tuple[NDArray[np.int64], NDArray[np.bool_], pa.Array, pa.Array]:
    """Reads some of the details, all columns at once."""
    codes = np.frombuffer(text.content, dtype=np.uint8)
    lines = lines_with_ends(codes[part])
    starts, lengths = part.start + lines.offsets[:-1], lines.lengths - 1
    heads = _heads(codes, starts, lengths)
    digits, status, code = heads[1:STATUS_AT], heads[STATUS_AT], heads[STATUS_AT + 1 :]
    is_accepted = status == ord("A")
    is_detail = (
        (lengths > STATUS_AT)
        & (heads[0] == ord("D"))
        & _all_between(digits, "0", "9")
        & (is_accepted | (status == ord("R")))
        & _all_between(code, " ", "~")
    )
    is_blank = _all_between(code, " ", " ")
    line_numbers = _numbers(digits)
    faults = {
        "is a trailer, and something follows it": heads[0] == ord("T"),
        "is no detail (D, line number, status, reason code, line)": ~is_detail,
        "an accepted line has a reason code": is_accepted & ~is_blank,
        "a rejected line has no reason code": ~is_accepted & is_blank,
        "the line number is not between 1 and the count of lines received": (
            (line_numbers < 1) | (line_numbers > received)
        ),
    }
    found = [(int(np.argmax(is_bad)), fault) for fault, is_bad in faults.items() if is_bad.any()]
    if found:
        index, fault = min(found, key=itemgetter(0))
        raise text.malformed(int(starts[index]), fault)
    echoes = cut(lines.array(), HEAD_WIDTH, -1)
    return line_numbers, is_accepted, _trimmed(code, ~is_blank), echoes


def _heads(codes: Codes, starts: NDArray[np.int32], lengths: NDArray[np.int32]) -> Codes:
    """Returns the first characters of lines, a column per line, blank where a transfer cut a line.

    The same character of all lines is contiguous, since all lines are looked at per character.
    """
    whatever_begins = np.ndarray(len(codes) - HEAD_WIDTH, f"V{HEAD_WIDTH}", codes, strides=(1,))
    heads = whatever_begins[starts].view(np.uint8).reshape(-1, HEAD_WIDTH).T.copy()
    if lengths.min() < HEAD_WIDTH:
        heads[np.arange(HEAD_WIDTH)[:, np.newaxis] >= lengths] = ord(" ")
    return heads


def _all_between(heads: Codes, first: str, last: str) -> NDArray[np.bool_]:
    """Says for each line whether all these characters of it lie between two."""
    span = ord(last) - ord(first)  # what comes before the first one wraps to far beyond the last
    is_between = np.ones(heads.shape[1], dtype=bool)
    for characters_there in heads:
        is_between &= characters_there - np.uint8(ord(first)) <= span
    return is_between


def _numbers(digits: Codes) -> NDArray[np.int64]:
    numbers = np.zeros(digits.shape[1], dtype=np.int32)  # nine digits fit
    for digits_there in digits:
        numbers *= 10
        numbers += digits_there - np.uint8(ord("0"))
    return numbers.astype(np.int64)


def _trimmed(code: Codes, is_given: NDArray[np.bool_]) -> pa.Array:
    """Returns reason codes without their blanks; of nearly all lines there is none."""
    given = text_bytes(pc.ascii_trim(from_byte_rows(code[:, is_given].T), " "))
    offsets = np.zeros(len(is_given) + 1, dtype=np.int32)
    offsets[1:][is_given] = given.lengths
    return TextBytes(given.codes, offsets.cumsum(dtype=np.int32)).array()
