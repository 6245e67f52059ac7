"""BDN's feed is read back as it was written, and line by line where it can't be read."""

from __future__ import annotations

import string
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.bdn.wave_feed import (
    DATE,
    DIGITS,
    FIELDS,
    WIDTH,
    FeedField,
    IncompleteFeed,
    UnreadableFeed,
    layout_table,
    parse_feed,
    render_feed,
)
from vye_pipeline.columns import parallel
from vye_pipeline.settings import CHECKOUT

PLACE = "inbound/2025-04-02/WAVE.txt"
DATES = st.sampled_from(["", "00000000", "20250401", "20250400", "19991231"])
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def value(field: FeedField) -> st.SearchStrategy[str]:
    if field.content == DATE:
        return DATES
    if field.content == DIGITS:
        return st.text(string.digits, max_size=field.width)
    return st.text(PRINTABLE, max_size=field.width).map(str.rstrip)


LINES = st.lists(st.fixed_dictionaries({field.name: value(field) for field in FIELDS}), max_size=5)


def frame(lines: list[dict[str, str]]) -> pd.DataFrame:
    columns = [field.name for field in FIELDS]
    return pd.DataFrame(lines, columns=columns).astype(dict.fromkeys(columns, "str"))


BLANK = {field.name: "" for field in FIELDS}
ONE = frame([BLANK | {"ssn": "900000001", "stub_nm": "DOE", "date_last_certified": "20250401"}])


def test_the_layout_is_that_of_the_contract() -> None:
    assert WIDTH == 379
    page = (CHECKOUT / "docs" / "bdn-interface.md").read_text(encoding="utf-8")
    assert layout_table() in page


@given(LINES)
def test_what_is_written_is_read_back(lines: list[dict[str, str]]) -> None:
    written = frame(lines)
    content = render_feed(written)
    assert len(content) == (WIDTH + 2) * len(lines) + len("ENDOFFILE\r\n")
    feed = parse_feed(content, place=PLACE)
    assert feed.unreadable.empty
    pd.testing.assert_frame_equal(feed.lines.drop(columns="line_number"), written)
    assert render_feed(feed.lines) == content


@given(LINES, st.data())
def test_whatever_comes_is_read_reported_or_refused(
    lines: list[dict[str, str]], data: st.DataObject
) -> None:
    content = bytearray(render_feed(frame(lines)))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        feed = parse_feed(bytes(content), place=PLACE)
    except (IncompleteFeed, UnreadableFeed):
        return
    numbers = [*feed.lines["line_number"], *feed.unreadable["line_number"]]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("content", [b"", b"\r\n", render_feed(ONE)[:-11], render_feed(ONE)[:100]])
def test_a_feed_without_its_end_is_refused(content: bytes) -> None:
    with pytest.raises(IncompleteFeed, match="the last line is not ENDOFFILE"):
        parse_feed(content, place=PLACE)


@pytest.mark.parametrize(
    ("start", "wrong", "field"),
    [(0, b"9000x", "ssn"), (36, b"20251301", "cert_issue_date"), (200, b"\x00", ""), (0, b"", "")],
)
def test_a_line_that_can_not_be_read_is_named_and_the_others_are_read(
    start: int, wrong: bytes, field: str
) -> None:
    whole = render_feed(pd.concat([ONE, ONE, ONE]))
    at = WIDTH + 2 + start
    bad = whole[:at] + wrong + whole[at + max(len(wrong), 1) :]
    feed = parse_feed(bad, place=PLACE)
    assert feed.lines["line_number"].tolist() == [1, 3]
    assert feed.unreadable.to_numpy().tolist() == [[2, field]]


@pytest.mark.parametrize(
    "arrived",
    [
        lambda content: content.replace(b"\r\n", b"\n"),
        lambda content: content.replace(b"\r\n", b"\r\r\n"),
        lambda content: content.replace(b"\r\n", b"\n", 1),
        lambda content: content + b"\x1a",
        lambda content: content + b"\0" * 512,
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: b"".join(b"%-400s\r\n" % line for line in content.splitlines()),
        lambda content: content.removesuffix(b"\r\n"),
    ],
    ids=["LF", "CRCRLF", "mixed", "0x1A", "NUL", "byte order mark", "400 columns", "no last end"],
)
def test_what_a_transfer_adds_changes_nothing(arrived: Callable[[bytes], bytes]) -> None:
    content = render_feed(pd.concat([ONE, ONE]))
    feed = parse_feed(arrived(content), place=PLACE)
    assert feed.unreadable.empty
    assert render_feed(feed.lines) == content


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b"900000001,DOE,20250401\nENDOFFILE\n",
            "none of its 1 lines can be read, "
            "most of them as they are not 379 printable characters",
        ),
        (
            render_feed(pd.concat([ONE, ONE])).replace(b"20250401", b"01APR025"),
            "none of its 2 lines can be read, most of them for the field date_last_certified",
        ),
        (render_feed(ONE).decode().encode("cp037"), "the file looks like EBCDIC"),
        (render_feed(ONE).decode().encode("utf-16"), "the file looks like UTF-16"),
        (
            render_feed(ONE).replace(b"\r\n", b""),
            "the file looks like one line: there are no line ends",
        ),
        (
            render_feed(ONE).replace(b"\r\n", b"\r"),
            "the file looks like lines that are ended by CR alone",
        ),
    ],
)
def test_a_feed_of_which_no_line_can_be_read_is_a_failure(content: bytes, fault: str) -> None:
    with pytest.raises(UnreadableFeed) as caught:
        parse_feed(content, place=PLACE)
    assert caught.value.what == f"{PLACE}: {fault}"
    assert not caught.value.is_transient
    assert "900000001" not in str(caught.value)


@given(LINES.filter(bool), st.integers(1, 2_000))
def test_parts_are_read_as_the_whole_is(lines: list[dict[str, str]], size: int) -> None:
    content = render_feed(frame(lines))
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(parallel, "CHARACTERS", size)
        read = parse_feed(content, place=PLACE)
    assert render_feed(read.lines) == content
