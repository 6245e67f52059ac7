"""BDN's acknowledgement of a file, read whole or refused whole (bdn-interface.md, part 3).

Details are read column-wise. A fault is named by the acknowledgement's line and its cause, never by
what the line holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.business_days import CHICAGO
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.records.layout import split_lines
from vye_pipeline.text import Codes, characters, cut, matrix, text_series

NAME_WIDTH, TIME_WIDTH, COUNT_WIDTH, CODE_WIDTH = 24, 14, 9, 4
HEADER_WIDTH = 1 + NAME_WIDTH + TIME_WIDTH + COUNT_WIDTH + 1 + CODE_WIDTH
LEAST_HEADER_WIDTH = HEADER_WIDTH - CODE_WIDTH  # a transfer may cut a blank reason code
STATUS_AT = 1 + COUNT_WIDTH  # in a detail; its reason code follows, then the line
HEAD_WIDTH = STATUS_AT + 1 + CODE_WIDTH
TRAILER_WIDTH = 1 + COUNT_WIDTH + COUNT_WIDTH
HEADER_AND_TRAILER = 2
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
            none), echo (str, the line as BDN read it): one row a line listed.
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
    lines = _Lines(content, place)
    header = _header(lines, file_name)
    accepted_count, rejected_count = _trailer(lines)
    details = _details(lines, header)
    read = Acknowledgement(
        **header,
        accepted_count=accepted_count,
        rejected_count=rejected_count,
        details=details,
        place=place,
    )
    _compare_totals(lines, read)
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


class _Lines:
    """The lines of an acknowledgement, without their ends; blanks that a transfer cut are back."""

    def __init__(self, content: bytes, place: str) -> None:
        self._place = place
        if not content.isascii():
            codes = np.frombuffer(content, dtype=np.uint8)
            line = content[: int(np.argmax(codes > 0x7F))].count(b"\n") + 1
            raise self.malformed(line, "holds a byte that is not ASCII")
        whole = content if content.endswith(b"\n") or not content else content + b"\n"
        lines = split_lines(whole)
        self.values = pc.ascii_rtrim(lines, "\r") if b"\r" in content else lines

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> str:
        return str(self.values[index].as_py())

    def malformed(self, line: int, fault: str) -> MalformedAcknowledgement:
        return MalformedAcknowledgement(self._place, line, fault)


def _header(lines: _Lines, file_name: str) -> dict[str, Any]:
    line = lines[0].ljust(HEADER_WIDTH) if len(lines) else ""
    if not line.startswith("H"):
        raise lines.malformed(1, "is not a header (H)" if line else "the acknowledgement is empty")
    if len(lines[0]) < LEAST_HEADER_WIDTH:
        raise lines.malformed(1, "the header is cut short")
    if line[HEADER_WIDTH:].strip():
        raise lines.malformed(1, "the header goes on after the reason code")
    name, rest = line[1 : 1 + NAME_WIDTH].rstrip(), line[1 + NAME_WIDTH :]
    if name != file_name[:NAME_WIDTH]:
        raise lines.malformed(1, f"the file name is not {file_name[:NAME_WIDTH]}")
    received_at, count = rest[:TIME_WIDTH], rest[TIME_WIDTH : TIME_WIDTH + COUNT_WIDTH]
    code = rest[TIME_WIDTH + COUNT_WIDTH + 1 :].strip()
    disposition = rest[TIME_WIDTH + COUNT_WIDTH]
    if disposition not in set(Disposition):
        raise lines.malformed(1, "the disposition is none of F, R and X")
    if not code.isprintable():
        raise lines.malformed(1, "the reason code is not printable")
    if bool(code) != (disposition == Disposition.REFUSED):
        raise lines.malformed(1, "a reason code belongs to disposition X, and to no other")
    return {
        "file_name": file_name,
        "received_at": _time(lines, received_at),
        "lines_received": _count(lines, 1, count, "the count of lines received"),
        "disposition": Disposition(disposition),
        "reason_code": code or None,
    }


def _time(lines: _Lines, text: str) -> datetime:
    try:
        if not text.isdigit():
            raise ValueError
        received_at = datetime.strptime(text, TIME_FORMAT).replace(tzinfo=CHICAGO)
        return received_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise lines.malformed(1, "the time of receipt is not YYYYMMDDHHMMSS") from None


def _count(lines: _Lines, line: int, text: str, what: str) -> int:
    if len(text) != COUNT_WIDTH or not text.isdigit():
        raise lines.malformed(line, f"{what} is not {COUNT_WIDTH} digits")
    return int(text)


def _trailer(lines: _Lines) -> tuple[int, int]:
    at = pc.index(pc.starts_with(lines.values, "T"), True).as_py()
    if at < 0:
        raise lines.malformed(len(lines), "there is no trailer (T): the end is missing")
    after = pc.not_equal(pc.ascii_trim_whitespace(lines.values.slice(at + 1)), "")
    position = pc.index(after, True).as_py()
    if position >= 0:
        raise lines.malformed(at + 2 + position, "something follows the trailer")
    line = lines[at]
    if line[TRAILER_WIDTH:].strip():
        raise lines.malformed(at + 1, "the trailer goes on after its totals")
    accepted = _count(lines, at + 1, line[1 : 1 + COUNT_WIDTH], "the total of lines accepted")
    rejected = _count(
        lines, at + 1, line[1 + COUNT_WIDTH : TRAILER_WIDTH], "the total of lines rejected"
    )
    lines.values = lines.values.slice(0, at + 1)
    return accepted, rejected


def _details(lines: _Lines, header: dict[str, Any]) -> pd.DataFrame:
    """Reads the lines between header and trailer, all columns at once."""
    if len(lines) == HEADER_AND_TRAILER:
        return no_details()
    values = lines.values.slice(1, len(lines) - HEADER_AND_TRAILER)
    lengths = characters(values).lengths
    padded = pc.ascii_rpad(values, HEAD_WIDTH, " ") if lengths.min() < HEAD_WIDTH else values
    # A character of all lines lies behind the other: they are looked at one after the other.
    heads = np.ascontiguousarray(matrix(cut(padded, 0, HEAD_WIDTH), HEAD_WIDTH).T)
    digits, status, code = heads[1:STATUS_AT], heads[STATUS_AT], heads[STATUS_AT + 1 :]
    is_accepted = status == ord("A")
    is_detail = (
        (lengths > STATUS_AT)
        & (heads[0] == ord("D"))
        & _all_between(digits, "0", "9")
        & (is_accepted | (status == ord("R")))
        & _all_between(code, " ", "~")
    )
    _refuse_first(lines, ~is_detail, "is no detail (D, line number, status, reason code, line)")
    is_blank = _all_between(code, " ", " ")
    _refuse_first(lines, is_accepted & ~is_blank, "an accepted line has a reason code")
    _refuse_first(lines, ~is_accepted & is_blank, "a rejected line has no reason code")
    numbers = _numbers(digits)
    received = header["lines_received"]
    _refuse_first(
        lines,
        (numbers < 1) | (numbers > received),
        f"the line number is not between 1 and the {received} lines received",
    )
    codes = pc.ascii_trim(cut(padded, STATUS_AT + 1, HEAD_WIDTH), " ")
    return pd.DataFrame(
        {
            "line_number": numbers,
            "is_accepted": is_accepted,
            "reason_code": text_series(codes),
            "echo": text_series(cut(padded, HEAD_WIDTH, _longest(padded))),
        }
    )


def _longest(values: pa.Array) -> int:
    return int(characters(values).lengths.max())


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


def _refuse_first(lines: _Lines, is_bad: NDArray[np.bool_], fault: str) -> None:
    if is_bad.any():
        raise lines.malformed(int(np.argmax(is_bad)) + 2, fault)


def _compare_totals(lines: _Lines, read: Acknowledgement) -> None:
    rejected = int((~read.details["is_accepted"]).sum())
    accepted = len(read.details) - rejected
    if read.disposition is Disposition.REJECTS_ONLY:
        accepted = read.lines_received - rejected
    if read.disposition is Disposition.REFUSED and len(read.details):
        raise lines.malformed(2, "a refused file has no details")
    if (accepted, rejected) != (read.accepted_count, read.rejected_count):
        raise lines.malformed(
            len(lines),
            f"the totals say {read.accepted_count} accepted and {read.rejected_count} rejected, "
            f"the details {accepted} and {rejected}",
        )
