"""BDN's acknowledgement of a file, read whole or refused whole (bdn-interface.md, part 3).

Details are read column-wise, in parts. A fault is named by the acknowledgement's line and its
cause, never by what the line holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import kind_of_name, shown
from vye_pipeline.bdn.transfer import looks_like, plain_text
from vye_pipeline.business_days import CHICAGO
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
from vye_pipeline.errors import Cause, PipelineError

NAME_WIDTH, TIME_WIDTH, COUNT_WIDTH, CODE_WIDTH = 24, 14, 9, 4
HEADER_WIDTH = 1 + NAME_WIDTH + TIME_WIDTH + COUNT_WIDTH + 1 + CODE_WIDTH
LEAST_HEADER_WIDTH = HEADER_WIDTH - CODE_WIDTH  # a transfer may cut a blank reason code
STATUS_AT = 1 + COUNT_WIDTH  # in a detail; its reason code follows, then the line
HEAD_WIDTH = STATUS_AT + 1 + CODE_WIDTH
TRAILER_WIDTH = 1 + COUNT_WIDTH + COUNT_WIDTH
TIME_FORMAT = "%Y%m%d%H%M%S"
REMEDY = "ask BDN for a corrected one; the object stays where it is and nothing of it is recorded"


class MalformedAcknowledgement(PipelineError):
    """An acknowledgement that can't be read, refused whole.

    Attributes:
        place: its object key.
        line: of the acknowledgement, from 1.
        fault: what is wrong with it.
    """

    def __init__(self, place: str, line: int, fault: str) -> None:
        """Takes place, line and fault."""
        super().__init__(
            f"{place}, line {line}: {fault}",
            cause=Cause.SOURCE,
            is_transient=False,
            next_step=REMEDY,
        )
        self.place, self.line, self.fault = place, line, fault


@dataclass(frozen=True, eq=False)
class Acknowledgement:
    """What BDN says of one file.

    Attributes:
        file_name: of the file that was sent.
        received_at: when BDN had it (in UTC; the header says it in America/Chicago).
        lines_received: by BDN.
        disposition: what holds for lines that are not listed.
        reason_code: why the whole file was refused; None unless it was.
        accepted_count: lines.
        rejected_count: lines.
        details: line_number (int64, from 1), is_accepted (bool), reason_code (str, empty for
            none), echo (str, the line as BDN read it): one row per line listed.
        place: its object key.
    """

    file_name: str
    received_at: datetime
    lines_received: int
    disposition: Disposition
    reason_code: str | None
    accepted_count: int
    rejected_count: int
    details: pd.DataFrame
    place: str = ""


def parse_acknowledgement(content: bytes, *, file_name: str, place: str) -> Acknowledgement:
    """Reads an acknowledgement.

    Args:
        content: the object's bytes.
        file_name: of the file that it must be about. The header has room for 24 characters, so of
            a longer name (DirDep20250407044500.txt.r2) it has the first 24.
        place: the object's key, for errors.

    Raises:
        MalformedAcknowledgement: it isn't one, or its totals disagree with its details.
    """
    odd = looks_like(content, HEADER_WIDTH)
    if odd is not None:
        raise MalformedAcknowledgement(place, 1, f"the file looks like {odd}")
    text = _Text(plain_text(content), place)
    header = _header(text, file_name)
    trailer_at = _trailer_at(text)
    accepted_count, rejected_count = _totals(text, trailer_at)
    read = Acknowledgement(
        **header,
        accepted_count=accepted_count,
        rejected_count=rejected_count,
        details=_details(text, trailer_at, header["lines_received"]),
        place=place,
    )
    _compare_totals(text, trailer_at, read)
    return read


def render_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """Writes an acknowledgement as BDN does: the inverse of reading it."""
    one = acknowledgement
    header = (
        f"H{one.file_name[:NAME_WIDTH]:<{NAME_WIDTH}}{one.received_at.astimezone(CHICAGO):{TIME_FORMAT}}"
        f"{one.lines_received:0{COUNT_WIDTH}}{one.disposition.value}"
        f"{one.reason_code or '':{CODE_WIDTH}}\n"
    )
    listed = one.details
    status = pd.Series(np.where(listed["is_accepted"], "A", "R"), index=listed.index, dtype="str")
    details = (
        "D"
        + listed["line_number"].astype("str").str.zfill(COUNT_WIDTH)
        + status
        + listed["reason_code"].str.ljust(CODE_WIDTH)
        + listed["echo"]
        + "\n"
    )
    trailer = f"T{one.accepted_count:0{COUNT_WIDTH}}{one.rejected_count:0{COUNT_WIDTH}}\n"
    return (header + "".join(details) + trailer).encode("ascii")


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


@dataclass(frozen=True)
class _Text:
    """An acknowledgement's text, in ASCII, with lines ended by LF alone; and where it lies."""

    content: bytes
    place: str

    def __post_init__(self) -> None:
        if not self.content.isascii():
            codes = np.frombuffer(self.content, dtype=np.uint8)
            raise self.malformed(int(np.argmax(codes > 0x7F)), "holds a byte that is not ASCII")

    @property
    def second_line(self) -> int:
        """Where it begins."""
        return self.content.find(b"\n") + 1

    def line(self, at: int) -> str:
        """Returns the line that begins there, without its end."""
        end = self.content.find(b"\n", at)
        return self.content[at : end if end >= 0 else None].decode("ascii")

    def malformed(self, at: int, fault: str) -> MalformedAcknowledgement:
        """Returns the error about the line that a character belongs to."""
        return MalformedAcknowledgement(self.place, self.content.count(b"\n", 0, at) + 1, fault)


def _header(text: _Text, file_name: str) -> dict[str, Any]:
    line = text.line(0).ljust(HEADER_WIDTH)  # blanks that a transfer cut are back
    if not line.startswith("H"):
        raise text.malformed(0, _instead_of_a_header(text, line))
    if len(text.line(0)) < LEAST_HEADER_WIDTH:
        raise text.malformed(0, "the header is cut short")
    if line[HEADER_WIDTH:].strip():
        raise text.malformed(0, "the header goes on after the reason code")
    name, rest = line[1 : 1 + NAME_WIDTH].rstrip(), line[1 + NAME_WIDTH :]
    if name != file_name[:NAME_WIDTH]:
        raise text.malformed(0, _other_name(name, file_name[:NAME_WIDTH]))
    received_at, count = rest[:TIME_WIDTH], rest[TIME_WIDTH : TIME_WIDTH + COUNT_WIDTH]
    code = rest[TIME_WIDTH + COUNT_WIDTH + 1 :].strip()
    disposition = rest[TIME_WIDTH + COUNT_WIDTH]
    if disposition not in set(Disposition):
        raise text.malformed(0, "the disposition is none of F, R and X")
    if not code.isprintable():
        raise text.malformed(0, "the reason code is not printable")
    if bool(code) != (disposition == Disposition.REFUSED):
        raise text.malformed(0, "a reason code belongs to disposition X, and to no other")
    return {
        "file_name": file_name,
        "received_at": _time(text, received_at),
        "lines_received": _count(text, 0, count, "the count of lines received"),
        "disposition": Disposition(disposition),
        "reason_code": code or None,
    }


def _instead_of_a_header(text: _Text, line: str) -> str:
    if not text.content:
        return "the acknowledgement is empty"
    if line[0] in "DT" and line[1 : 1 + COUNT_WIDTH].isdigit():
        return "is not a header (H): the beginning is missing, as in an answer cut in two objects"
    return "is not a header (H)"


def _other_name(name: str, expected: str) -> str:
    """Describes what a header has where the file's name should be."""
    fault = f"the file name is not {expected}, but {shown(name)}"
    kind = kind_of_name(name)
    if kind is None:
        return fault
    is_of_another_day = kind is kind_of_name(expected)
    return f"{fault}: {'another file' if is_of_another_day else 'the file'} of {kind.name}"


def _time(text: _Text, digits: str) -> datetime:
    try:
        if not digits.isdigit():
            raise ValueError
        received_at = datetime.strptime(digits, TIME_FORMAT).replace(tzinfo=CHICAGO)
        return received_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise text.malformed(0, "the time of receipt is not YYYYMMDDHHMMSS") from None


def _count(text: _Text, at: int, digits: str, what: str) -> int:
    if len(digits) != COUNT_WIDTH or not digits.isdigit():
        raise text.malformed(at, f"{what} is not {COUNT_WIDTH} digits")
    return int(digits)


def _trailer_at(text: _Text) -> int:
    """Finds where the trailer begins, after which only blanks may follow."""
    second = _second_header_at(text)
    if second:
        raise text.malformed(second, "a second acknowledgement begins: two in one object")
    at = text.content.rfind(b"\nT") + 1
    if not at:
        last = max(len(text.content.rstrip()) - 1, 0)
        raise text.malformed(last, "there is no trailer (T): the end is missing")
    _, _, after = text.content[at:].partition(b"\n")
    if after.strip():
        begin = len(text.content) - len(after.lstrip())
        raise text.malformed(begin, "something follows the trailer")
    return at


def _second_header_at(text: _Text) -> int:
    """Finds where another acknowledgement begins behind a trailer; 0 where none does."""
    at = text.content.find(b"\nH")
    while at >= 0:
        name = text.line(at + 1)[1 : 1 + NAME_WIDTH].rstrip()
        if kind_of_name(name) is not None:
            return at + 1
        at = text.content.find(b"\nH", at + 1)
    return 0


def _totals(text: _Text, at: int) -> tuple[int, int]:
    """Reads the trailer's totals: lines accepted, lines rejected."""
    line = text.line(at)
    if line[TRAILER_WIDTH:].strip():
        raise text.malformed(at, "the trailer goes on after its totals")
    accepted, rejected = line[1 : 1 + COUNT_WIDTH], line[1 + COUNT_WIDTH : TRAILER_WIDTH]
    return (
        _count(text, at, accepted, "the total of lines accepted"),
        _count(text, at, rejected, "the total of lines rejected"),
    )


def _details(text: _Text, trailer_at: int, received: int) -> pd.DataFrame:
    """Reads the lines between header and trailer."""
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
    text: _Text, received: int, part: slice
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
    """Returns the first characters of lines, a column a line, blank where a transfer cut a line.

    A character of all lines lies behind the other: they are looked at one after the other.
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


def _compare_totals(text: _Text, trailer_at: int, read: Acknowledgement) -> None:
    rejected = int((~read.details["is_accepted"]).sum())
    accepted = len(read.details) - rejected
    if read.disposition is Disposition.REJECTS_ONLY:
        accepted = read.lines_received - rejected
    if read.disposition is Disposition.REFUSED and len(read.details):
        raise text.malformed(text.second_line, "a refused file has no details")
    if (accepted, rejected) != (read.accepted_count, read.rejected_count):
        raise text.malformed(
            trailer_at,
            f"the totals are not those of the details, {accepted} accepted and {rejected} rejected",
        )
