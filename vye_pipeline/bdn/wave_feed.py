"""BDN's nightly feed, WAVE.txt: its layout, declared once, and its reading and writing.

One line a beneficiary (bdn-interface.md, part 4). Lines that can't be read are reported by number
and field, never by what they hold; a feed without its end is refused whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.transfer import looks_like, plain_text
from vye_pipeline.columns.parallel import side_by_side, whole_lines
from vye_pipeline.columns.text import (
    Codes,
    TextBytes,
    from_byte_rows,
    lines_with_ends,
    text_bytes,
    text_series,
)
from vye_pipeline.errors import Cause, PipelineError

END_OF_FILE = "ENDOFFILE"
LINE_END = "\r\n"
LAST_LINE = f"{END_OF_FILE}\n".encode()
TEXT, DATE, DIGITS = "text", "date", "digits"
BLANK, ZERO = np.uint8(ord(" ")), np.uint8(ord("0"))


@dataclass(frozen=True)
class FeedField:
    """A field: its place in the line is its place in the declaration."""

    name: str
    width: int
    content: str = TEXT


AWARD_BLOCKS = 4
AWARD_FIELDS = (
    FeedField("award_begin_date", 8, DATE),
    FeedField("award_end_date", 8, DATE),
    FeedField("training_time", 1),
    FeedField("payment_date", 8, DATE),
    FeedField("monthly_rate", 7, DIGITS),
    FeedField("begin_rsn", 2),
    FeedField("end_rsn", 2),
    FeedField("type_training", 1),
    FeedField("number_hours", 2, DIGITS),
    FeedField("type_hours", 1),
    FeedField("cur_award_ind", 1),
)
ADDRESS_FIELDS = tuple(f"address{number}" for number in range(1, 6))
ADDRESS_WIDTH = 20
FIELDS = (
    FeedField("ssn", 9, DIGITS),
    FeedField("file_number", 9),
    FeedField("suffix", 2),
    FeedField("dob", 8, DATE),
    FeedField("mr_status", 1),
    FeedField("rem_ent", 7),
    FeedField("cert_issue_date", 8, DATE),
    FeedField("del_date", 8, DATE),
    FeedField("date_last_certified", 8, DATE),
    FeedField("veteran_name", 20),
    *(FeedField(name, ADDRESS_WIDTH) for name in ADDRESS_FIELDS),
    FeedField("zip_code", 9),
    FeedField("stub_nm", 7),
    FeedField("rpo_code", 3),
    FeedField("fac_code", 8),
    FeedField("payment_amt", 7, DIGITS),
    *(
        FeedField(f"{field.name}_{block}", field.width, field.content)
        for block in range(1, AWARD_BLOCKS + 1)
        for field in AWARD_FIELDS
    ),
    FeedField("indicator", 1),
)
WIDTH = sum(field.width for field in FIELDS)


class IncompleteFeed(PipelineError):
    """A feed without its last line: it may still be arriving, and is refused whole."""

    def __init__(self, place: str) -> None:
        """Takes the feed's object key."""
        super().__init__(
            f"{place}: the last line is not {END_OF_FILE}, the feed is incomplete",
            cause=Cause.SOURCE,
            is_transient=True,
            next_step="wait for the rest, or ask BDN for the feed again; nothing of it is recorded",
        )


class UnreadableFeed(PipelineError):
    """A feed of which no line can be read: it is no feed as BDN describes it."""

    def __init__(self, place: str, fault: str) -> None:
        """Takes the feed's object key and what is wrong with it."""
        super().__init__(
            f"{place}: {fault}",
            cause=Cause.SOURCE,
            is_transient=False,
            next_step="ask BDN for the feed again, as docs/bdn-interface.md describes it; "
            "nothing of it is recorded",
        )


@dataclass(frozen=True, eq=False)
class WaveFeed:
    """What a feed says.

    Attributes:
        lines: line_number (from 1) and a text column per field, without padding: one row per line
            that can be read. Personal.
        unreadable: line_number, field (empty where the length is wrong), one row per line.
    """

    lines: pd.DataFrame
    unreadable: pd.DataFrame


def parse_feed(content: bytes, *, place: str) -> WaveFeed:
    """Reads a feed, all columns at once.

    Args:
        content: its bytes.
        place: its object key, for errors.

    Raises:
        IncompleteFeed: the last line is missing.
        UnreadableFeed: none of its lines can be read.
    """
    odd = looks_like(content, WIDTH)
    if odd is not None:
        raise UnreadableFeed(place, f"the file looks like {odd}")
    text = plain_text(content)
    if text != LAST_LINE and not text.endswith(b"\n" + LAST_LINE):
        raise IncompleteFeed(place)
    codes = np.frombuffer(text, dtype=np.uint8)
    parts = whole_lines(text, 0, len(text) - len(LAST_LINE))
    read = side_by_side(partial(_read_part, codes), parts)
    faults = np.concatenate([NO_LINES, *(part.faults for part in read)])
    is_sound = faults == SOUND
    if len(faults) and not is_sound.any():
        raise UnreadableFeed(place, _faults_in_words(faults))
    numbers = np.arange(1, len(faults) + 1)
    columns = {
        field.name: text_series(
            pa.chunked_array([part.columns[field.name] for part in read], pa.string())
        )
        for field in FIELDS
    }
    unreadable = pd.DataFrame(
        {
            "line_number": numbers[~is_sound],
            "field": pd.Series(FAULTS[faults[~is_sound]], dtype="str"),
        }
    )
    return WaveFeed(pd.DataFrame({"line_number": numbers[is_sound], **columns}), unreadable)


def render_feed(lines: pd.DataFrame) -> bytes:
    """Writes a feed as BDN does: the inverse of reading it.

    Args:
        lines: a text column per field, each value at most as wide as its field.
    """
    fields = [
        pc.ascii_rpad(pa.array(lines[field.name].astype("str"), pa.string()), field.width, " ")
        for field in FIELDS
    ]
    joined = pc.binary_join_element_wise(*fields, "").to_pylist()
    return "".join(f"{line}{LINE_END}" for line in [*joined, END_OF_FILE]).encode("ascii")


# Each line's first fault: SOUND, a field's place in FIELDS, or NO_LINE (its length or a character).
SOUND, NO_LINE = -1, len(FIELDS)
FAULTS = np.array([*(field.name for field in FIELDS), ""], dtype=object)
NO_LINES = np.zeros(0, dtype=np.int16)


@dataclass(frozen=True)
class _Part:
    """Some lines of a feed: the fields of those that are sound, and the first fault of each."""

    columns: dict[str, pa.Array]
    faults: NDArray[np.int16]


def _read_part(codes: Codes, part: slice) -> _Part:
    lines = lines_with_ends(codes[part])
    faults = np.full(len(lines.lengths), NO_LINE, dtype=np.int16)
    whole = np.flatnonzero(_are_whole(lines))
    starts = part.start + lines.offsets[:-1].astype(np.int64)[whole]
    wherever = np.ndarray(max(len(codes) - WIDTH, 0), f"V{WIDTH}", codes, strides=(1,))
    rows = wherever[starts].view(np.uint8).reshape(-1, WIDTH)
    faults[whole] = _first_faults(rows)
    is_sound = faults[whole] == SOUND
    return _Part(_fields(rows if is_sound.all() else rows[is_sound]), faults)


def _are_whole(lines: TextBytes) -> NDArray[np.bool_]:
    """Says which lines are as long as a line is, but for blanks that a transfer has added."""
    lengths = lines.lengths - 1
    is_whole: NDArray[np.bool_] = lengths == WIDTH
    longer = np.flatnonzero(lengths > WIDTH)
    if len(longer):
        trimmed = text_bytes(pc.ascii_rtrim(lines.array().take(pa.array(longer)), " \n"))
        is_whole[longer] = trimmed.lengths <= WIDTH
    return is_whole


def _fields(rows: Codes) -> dict[str, pa.Array]:
    """Takes each field out of lines of one width, without its padding."""
    found, start = {}, 0
    for field in FIELDS:
        stop = start + field.width
        values = rows[:, start:stop].view(f"V{field.width}")  # copied by the field
        found[field.name] = pc.ascii_rtrim(from_byte_rows(values.copy().view(np.uint8)), " ")
        start = stop
    return found


def _first_faults(rows: Codes) -> NDArray[np.int16]:
    """Returns the first field of each line that can't be what it is declared as."""
    faults = np.full(len(rows), SOUND, dtype=np.int16)
    places = rows.T.copy()  # the same character of all lines is contiguous
    is_absent, start = np.zeros(len(rows), dtype=bool), 0
    for place, field in enumerate(FIELDS):
        values = places[start : start + field.width]
        if field.name.startswith("award_begin_date"):
            is_absent = _are_all(values, BLANK)
        elif place == len(FIELDS) - 1:
            is_absent = np.zeros(len(rows), dtype=bool)
        if field.content != TEXT:
            is_good = _are_dates(values) if field.content == DATE else _are_digits(values)
            faults[~is_good & ~is_absent & (faults == SOUND)] = place
        start += field.width
    is_printable = (places - BLANK <= ord("~") - ord(" ")).all(axis=0)
    faults[~is_printable] = NO_LINE
    return faults


def _are_all(values: Codes, code: np.uint8) -> NDArray[np.bool_]:
    """Says for each line whether a field is this character all along."""
    is_all = values[0] == code
    for value in values[1:]:
        is_all &= value == code
    return is_all


def _are_digits(values: Codes) -> NDArray[np.bool_]:
    """Says for each line whether a field is digits and blanks."""
    is_good = np.ones(values.shape[1], dtype=bool)
    for value in values:
        is_good &= (value - ZERO <= 9) | (value == BLANK)
    return is_good


def _are_dates(values: Codes) -> NDArray[np.bool_]:
    """Says for each line whether a field is YYYYMMDD, blank, or zeros for none.

    A day of 00 occurs.
    """
    digits = values - ZERO
    month, day = digits[4] * 10 + digits[5], digits[6] * 10 + digits[7]
    is_date = (digits <= 9).all(axis=0) & (month >= 1) & (month <= 12) & (day <= 31)
    return is_date | _are_all(values, BLANK) | _are_all(values, ZERO)


def _faults_in_words(faults: NDArray[np.int16]) -> str:
    """Says what is wrong with the lines of a feed of which none can be read."""
    field = FAULTS[np.bincount(faults).argmax()]
    why = f"for the field {field}" if field else f"as they are not {WIDTH} printable characters"
    return f"none of its {len(faults)} lines can be read, most of them {why}"


def layout_table() -> str:
    """Returns the layout as a Markdown table, for docs/bdn-interface.md."""
    rows, start = [], 1
    for field in FIELDS:
        rows.append(f"| {field.name} | {start} | {field.width} | {field.content} |\n")
        start += field.width
    return "| field | from | width | content |\n| --- | --- | --- | --- |\n" + "".join(rows)
