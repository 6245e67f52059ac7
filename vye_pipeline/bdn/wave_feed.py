"""BDN's nightly feed, WAVE.txt: its layout, declared once, and its reading and writing.

One line a beneficiary (bdn-interface.md, part 4). Lines that can't be read are reported by number
and field, never by what they hold; a feed without its end is refused whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.errors import Cause, PipelineError

END_OF_FILE = "ENDOFFILE"
LINE_END = "\r\n"
TEXT, DATE, DIGITS = "text", "date", "digits"
# A date is YYYYMMDD, blank, or zeros for none; a day of 00 occurs.
DATE_PATTERN = r"^(?: {8}|0{8}|[0-9]{4}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01]))$"
PATTERNS = {TEXT: r"^[ -~]*$", DATE: DATE_PATTERN, DIGITS: r"^[0-9 ]*$"}


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


@dataclass(frozen=True, eq=False)
class WaveFeed:
    """What a feed says.

    Attributes:
        lines: line_number (from 1) and a text column a field, without padding: one row a line
            that can be read. Personal.
        unreadable: line_number, field (empty where the length is wrong), one row a line.
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
    """
    lines = content.split(LINE_END.encode())
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines or lines.pop().rstrip() != END_OF_FILE.encode():
        raise IncompleteFeed(place)
    values = pa.array(lines, pa.binary())
    is_printable = _mask(pc.match_substring_regex(values, PATTERNS[TEXT]))
    is_fit = _mask(pc.equal(pc.binary_length(values), WIDTH)) & is_printable
    numbers = np.flatnonzero(is_fit)
    fields = _fields(values.take(pa.array(numbers)).cast(pa.string()))
    fault = _first_faults(fields)
    is_sound = fault == ""
    unreadable = pd.concat(
        [
            pd.DataFrame({"line_number": np.flatnonzero(~is_fit) + 1, "field": ""}),
            pd.DataFrame({"line_number": numbers[~is_sound] + 1, "field": fault[~is_sound]}),
        ]
    ).sort_values("line_number", ignore_index=True)
    columns = {name: pc.ascii_rtrim(column, " ").to_pandas() for name, column in fields.items()}
    read = pd.DataFrame({"line_number": numbers + 1, **columns})[is_sound]
    kept = read.reset_index(drop=True).astype(dict.fromkeys(fields, "str"))
    return WaveFeed(kept, unreadable.astype({"line_number": "int64", "field": "str"}))


def render_feed(lines: pd.DataFrame) -> bytes:
    """Writes a feed as BDN does: the inverse of reading it.

    Args:
        lines: a text column a field, each value at most as wide as its field.
    """
    fields = [
        pc.ascii_rpad(pa.array(lines[field.name].astype("str"), pa.string()), field.width, " ")
        for field in FIELDS
    ]
    joined = pc.binary_join_element_wise(*fields, "").to_pylist()
    return "".join(f"{line}{LINE_END}" for line in [*joined, END_OF_FILE]).encode("ascii")


def _fields(lines: pa.Array) -> dict[str, pa.Array]:
    found, start = {}, 0
    for field in FIELDS:
        found[field.name] = pc.utf8_slice_codeunits(lines, start, start + field.width)
        start += field.width
    return found


def _first_faults(fields: Mapping[str, pa.Array]) -> NDArray[np.object_]:
    """Returns the first field of each line that can't be what it is declared as, or nothing."""
    count = len(next(iter(fields.values())))
    fault = np.full(count, "", dtype=object)
    for field in reversed(FIELDS):
        values = fields[field.name]
        is_bad = ~_mask(pc.match_substring_regex(values, PATTERNS[field.content]))
        fault[is_bad & ~_in_absent_block(field.name, fields)] = field.name
    return fault


def _in_absent_block(name: str, fields: Mapping[str, pa.Array]) -> NDArray[np.bool_]:
    """Says of each line whether a field belongs to an award block that is absent."""
    block = name.rpartition("_")[2]
    begin = fields.get(f"award_begin_date_{block}")
    if begin is None:
        return np.zeros(len(fields[name]), dtype=bool)
    return _mask(pc.equal(pc.ascii_trim(begin, " "), ""))


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)


def layout_table() -> str:
    """Returns the layout as a Markdown table, for docs/bdn-interface.md."""
    rows, start = [], 1
    for field in FIELDS:
        rows.append(f"| {field.name} | {start} | {field.width} | {field.content} |\n")
        start += field.width
    return "| field | from | width | content |\n| --- | --- | --- | --- |\n" + "".join(rows)
