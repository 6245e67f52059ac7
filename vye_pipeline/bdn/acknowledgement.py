"""BDN's acknowledgement of a file, read whole or refused whole (bdn-interface.md, part 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from vye_pipeline.bdn.acknowledgement_details import CODE_WIDTH, COUNT_WIDTH, read_details
from vye_pipeline.bdn.acknowledgement_text import AcknowledgementText, MalformedAcknowledgement
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import kind_of_name, shown
from vye_pipeline.bdn.transfer import looks_like, plain_text
from vye_pipeline.business_days import CHICAGO

NAME_WIDTH, TIME_WIDTH = 24, 14
HEADER_WIDTH = 1 + NAME_WIDTH + TIME_WIDTH + COUNT_WIDTH + 1 + CODE_WIDTH
LEAST_HEADER_WIDTH = HEADER_WIDTH - CODE_WIDTH  # a transfer may cut a blank reason code
TRAILER_WIDTH = 1 + COUNT_WIDTH + COUNT_WIDTH
TIME_FORMAT = "%Y%m%d%H%M%S"


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
    text = AcknowledgementText(plain_text(content), place)
    header = _header(text, file_name)
    trailer_at = _trailer_at(text)
    accepted_count, rejected_count = _totals(text, trailer_at)
    read = Acknowledgement(
        **header,
        accepted_count=accepted_count,
        rejected_count=rejected_count,
        details=read_details(text, trailer_at, header["lines_received"]),
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


def _header(text: AcknowledgementText, file_name: str) -> dict[str, Any]:
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


def _instead_of_a_header(text: AcknowledgementText, line: str) -> str:
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


def _time(text: AcknowledgementText, digits: str) -> datetime:
    try:
        if not digits.isdigit():
            raise ValueError
        received_at = datetime.strptime(digits, TIME_FORMAT).replace(tzinfo=CHICAGO)
        return received_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise text.malformed(0, "the time of receipt is not YYYYMMDDHHMMSS") from None


def _count(text: AcknowledgementText, at: int, digits: str, what: str) -> int:
    if len(digits) != COUNT_WIDTH or not digits.isdigit():
        raise text.malformed(at, f"{what} is not {COUNT_WIDTH} digits")
    return int(digits)


def _trailer_at(text: AcknowledgementText) -> int:
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


def _second_header_at(text: AcknowledgementText) -> int:
    """Finds where another acknowledgement begins behind a trailer; 0 where none does."""
    at = text.content.find(b"\nH")
    while at >= 0:
        name = text.line(at + 1)[1 : 1 + NAME_WIDTH].rstrip()
        if kind_of_name(name) is not None:
            return at + 1
        at = text.content.find(b"\nH", at + 1)
    return 0


def _totals(text: AcknowledgementText, at: int) -> tuple[int, int]:
    """Reads the trailer's totals: lines accepted, lines rejected."""
    line = text.line(at)
    if line[TRAILER_WIDTH:].strip():
        raise text.malformed(at, "the trailer goes on after its totals")
    accepted, rejected = line[1 : 1 + COUNT_WIDTH], line[1 + COUNT_WIDTH : TRAILER_WIDTH]
    return (
        _count(text, at, accepted, "the total of lines accepted"),
        _count(text, at, rejected, "the total of lines rejected"),
    )


def _compare_totals(text: AcknowledgementText, trailer_at: int, read: Acknowledgement) -> None:
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
