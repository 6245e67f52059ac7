"""An acknowledgement is read whole, or refused whole with its line and cause named."""

from __future__ import annotations

import gzip
import string
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
    render_acknowledgement,
)
from vye_pipeline.bdn.acknowledgement_text import MalformedAcknowledgement
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.business_days import CHICAGO
from vye_pipeline.columns import parallel
from vye_pipeline.errors import Cause

PLACE = "inbound/2025-04-07/vawave097.ack"
ECHO = "DOE    01900123420250407318AW"
HEADER = "Hvawave097               20250407090000000000003"
FULL, REJECTS_ONLY, REFUSED = f"{HEADER}F    ", f"{HEADER}R    ", f"{HEADER}XX001"
ACCEPTED, REJECTED = f"D000000001A    {ECHO}", f"D000000002RR001{ECHO}"
TRAILER, EMPTY_TRAILER = "T000000001000000001", "T000000000000000000"
GOOD = [FULL, ACCEPTED, REJECTED, TRAILER]
REMEDY = "ask BDN for a corrected one; the object stays where it is and nothing of it is recorded"


def joined(lines: list[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode("latin-1")


def parse(content: bytes) -> Acknowledgement:
    return parse_acknowledgement(content, file_name="vawave097", place=PLACE)


def test_every_field_is_read_from_its_place() -> None:
    read = parse(joined(GOOD))
    assert (read.file_name, read.lines_received) == ("vawave097", 3)
    assert read.received_at == datetime(2025, 4, 7, 14, 0, tzinfo=UTC)
    assert (read.disposition, read.reason_code) == (Disposition.FULL, None)
    assert (read.accepted_count, read.rejected_count) == (1, 1)
    assert read.details.to_dict("list") == {
        "line_number": [1, 2],
        "is_accepted": [True, False],
        "reason_code": ["", "R001"],
        "echo": [ECHO, ECHO],
    }


@pytest.mark.parametrize("lines", [GOOD, [FULL, EMPTY_TRAILER]])
def test_the_details_types_do_not_depend_on_what_is_in_them(lines: list[str]) -> None:
    assert {name: str(column.dtype) for name, column in parse(joined(lines)).details.items()} == {
        "line_number": "int64",
        "is_accepted": "bool",
        "reason_code": "str",
        "echo": "str",
    }


@pytest.mark.parametrize(
    "content",
    [
        joined(GOOD, "\r\n"),
        joined(GOOD)[:-1],
        joined(GOOD, "\r\n")[:-2],
        joined([*GOOD, ""]),
        joined([*GOOD, ""], "\r\n"),
        joined([*GOOD, "", "", "  ", ""]),
        joined([FULL.rstrip(), ACCEPTED, REJECTED, TRAILER]),
        joined([FULL, ACCEPTED, REJECTED, f"{TRAILER}   "]),
        joined(GOOD, "\r\r\n"),
        joined(GOOD[:2], "\r\n") + joined(GOOD[2:]),
        joined(GOOD, "\r\n") + b"\x1a",
        joined(GOOD) + b"\0" * 80,
        b"\xef\xbb\xbf" + joined(GOOD),
        joined([f"{line:120}" for line in GOOD]).replace(ECHO.encode() + b" " * 76, ECHO.encode()),
    ],
    ids=[
        "CRLF",
        "no last LF",
        "no last CRLF",
        "blank line",
        "blank CRLF",
        "blank lines",
        "cut header",
        "padded",
        "CRCRLF",
        "mixed ends",
        "0x1A",
        "NUL",
        "byte order mark",
        "record length",
    ],
)
def test_line_ends_and_blanks_at_the_end_of_a_line_change_nothing(content: bytes) -> None:
    assert render_acknowledgement(parse(content)) == joined(GOOD)


@pytest.mark.parametrize("line", ["D000000001A", "D000000001A  ", "D000000001A    "])
def test_an_accepted_line_may_have_an_empty_echo(line: str) -> None:
    details = parse(joined([FULL, line, "T000000001000000000"])).details
    assert details.drop(columns="line_number").to_dict("records") == [
        {"is_accepted": True, "reason_code": "", "echo": ""}
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (joined(GOOD, ""), "one line: there are no line ends"),
        (joined(GOOD, "\r"), "lines that are ended by CR alone"),
        (joined(GOOD).decode().encode("utf-16"), "UTF-16"),
        (joined(GOOD).decode().encode("utf-16-le"), "UTF-16"),
        (joined(GOOD).decode().encode("utf-16-be"), "UTF-16 (big-endian)"),
        (joined(GOOD).decode().encode("cp037"), "EBCDIC"),
        (
            b"".join((len(line) + 4).to_bytes(2, "big") + b"\0\0" + line.encode() for line in GOOD),
            "records with a length in front (RDW), not lines",
        ),
        (
            b"".join(
                (len(line) + 4).to_bytes(2, "big") + b"\0\0" + line.encode("cp037") for line in GOOD
            ),
            "records with a length in front (RDW), not lines",
        ),
        (b"\n<!DOCTYPE html><title>Sign in</title>\n", "a web page or XML"),
        (gzip.compress(joined(GOOD), mtime=0), "a compressed file"),
        (b"\0" * 100, "nothing but NUL or 0x1A bytes"),
    ],
)
def test_what_is_no_text_of_lines_is_told_by_what_it_looks_like(content: bytes, kind: str) -> None:
    with pytest.raises(MalformedAcknowledgement) as caught:
        parse(content)
    assert (caught.value.line, caught.value.fault) == (1, f"the file looks like {kind}")


def test_an_echo_is_kept_as_it_came_even_where_it_looks_like_another_line() -> None:
    for echo in (
        "T000000001000000001",
        "a\x7fb",
        "a\tb",
        " leading",
        "trailing  ",
        "a,b,,c",
        "\r" * 100_000 + "x",
        "D000000002A",
    ):
        details = parse(joined([FULL, f"D000000001A    {echo}", "T000000001000000000"])).details
        assert details.loc[0, "echo"] == echo


def test_of_a_name_too_long_for_the_header_it_has_the_beginning() -> None:
    name = "DirDep20250407044500.txt.r2"
    content = joined([f"H{name[:24]}20250407090000000000003F    ", *GOOD[1:]])
    read = parse_acknowledgement(content, file_name=name, place=PLACE)
    assert read.file_name == name
    assert render_acknowledgement(read) == content


def test_of_rejects_only_what_is_not_listed_counts_as_accepted() -> None:
    lines = [REJECTS_ONLY, ACCEPTED, REJECTED, "T000000002000000001"]
    assert parse(joined(lines)).accepted_count == 2


def test_a_refused_file_has_a_reason_and_no_details() -> None:
    read = parse(joined([REFUSED, EMPTY_TRAILER]))
    assert (read.disposition, read.reason_code) == (Disposition.REFUSED, "X001")
    assert read.details.empty


def test_a_line_may_be_answered_twice() -> None:
    lines = [FULL, ACCEPTED, ACCEPTED, "T000000002000000000"]
    assert parse(joined(lines)).details["line_number"].tolist() == [1, 1]


NO_DETAIL = "is no detail (D, line number, status, reason code, line)"
MISPLACED_REASON = "a reason code belongs to disposition X, and to no other"
OUT_OF_RANGE = "the line number is not between 1 and the count of lines received"
NO_BEGINNING = "is not a header (H): the beginning is missing, as in an answer cut in two objects"
TWO_IN_ONE = "a second acknowledgement begins: two in one object"
NO_END = "there is no trailer (T): the end is missing"
MALFORMED: dict[str, tuple[list[str], int, str]] = {
    "empty": ([], 1, "the acknowledgement is empty"),
    "only blank": ([""], 1, "the acknowledgement is empty"),
    "no header": ([ACCEPTED, TRAILER], 1, NO_BEGINNING),
    "the second half": ([REJECTED, TRAILER], 1, NO_BEGINNING),
    "a letter": (["Dear colleagues,", "no."], 1, "is not a header (H)"),
    "upper case": (
        [FULL.replace("vawave", "VAWAVE"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but VAWAVE097",
    ),
    "a path": (
        [FULL.replace("vawave097     ", "/out/vawave097"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but /<3 letters>/vawave097",
    ),
    "a number for a name": (
        [FULL.replace("vawave097", "900123456"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but <9 digits>",
    ),
    "another kind's": (
        [FULL.replace("vawave097               ", "DirDep20250407044500.txt"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but DirDep20250407044500.txt: "
        "the file of direct_deposit_changes",
    ),
    "header too short": ([HEADER, EMPTY_TRAILER], 1, "the header is cut short"),
    "header cut in the name": (["Hvawave", EMPTY_TRAILER], 1, "the header is cut short"),
    "header too long": ([f"{FULL}Z", EMPTY_TRAILER], 1, "the header goes on after the reason code"),
    "not ASCII in an echo": (
        [FULL, ACCEPTED, REJECTED.replace("DOE", "D\xd6E"), TRAILER],
        3,
        "holds a byte that is not ASCII",
    ),
    "another file's name": (
        [FULL.replace("097", "096"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but vawave096: another file of verifications",
    ),
    "name not at the left": (
        [FULL.replace("vawave097 ", " vawave097"), *GOOD[1:]],
        1,
        "the file name is not vawave097, but  vawave097",
    ),
    "no such day": (
        [FULL.replace("20250407", "20250431"), *GOOD[1:]],
        1,
        "the time of receipt is not YYYYMMDDHHMMSS",
    ),
    "blank in the time": (
        [FULL.replace("20250407", "2025 4 7"), *GOOD[1:]],
        1,
        "the time of receipt is not YYYYMMDDHHMMSS",
    ),
    "lines received no number": (
        [FULL.replace("000000003", "        3"), *GOOD[1:]],
        1,
        "the count of lines received is not 9 digits",
    ),
    "unknown disposition": (
        [f"{HEADER}Q", *GOOD[1:]],
        1,
        "the disposition is none of F, R and X",
    ),
    "full with a reason": ([f"{HEADER}FX001", *GOOD[1:]], 1, MISPLACED_REASON),
    "rejects only with a reason": ([f"{HEADER}RX001", *GOOD[1:]], 1, MISPLACED_REASON),
    "refused without a reason": ([f"{HEADER}X", EMPTY_TRAILER], 1, MISPLACED_REASON),
    "a blank line among the details": ([FULL, ACCEPTED, "", REJECTED, TRAILER], 3, NO_DETAIL),
    "an unknown line": ([FULL, ACCEPTED, "E" + REJECTED[1:], TRAILER], 3, NO_DETAIL),
    "a second header": ([FULL, FULL, TRAILER], 2, TWO_IN_ONE),
    "a number with a blank": ([FULL, ACCEPTED, "D        2A    ", TRAILER], 3, NO_DETAIL),
    "an unknown status": ([FULL, ACCEPTED, "D000000002Q    ", TRAILER], 3, NO_DETAIL),
    "a detail cut off": ([FULL, ACCEPTED, "D000000002", TRAILER], 3, NO_DETAIL),
    "accepted with a reason": (
        [FULL, ACCEPTED, REJECTED.replace("RR", "AR"), TRAILER],
        3,
        "an accepted line has a reason code",
    ),
    "rejected without a reason": (
        [FULL, ACCEPTED, REJECTED.replace("R001", "    "), TRAILER],
        3,
        "a rejected line has no reason code",
    ),
    "line number 0": (
        [FULL, ACCEPTED, REJECTED.replace("000000002", "000000000"), TRAILER],
        3,
        OUT_OF_RANGE,
    ),
    "line number too high": (
        [FULL, ACCEPTED, REJECTED.replace("000000002", "000000004"), TRAILER],
        3,
        OUT_OF_RANGE,
    ),
    "something after the trailer": ([*GOOD, ACCEPTED], 5, "something follows the trailer"),
    "something after blank lines": ([*GOOD, "", "", "E"], 7, "something follows the trailer"),
    "two trailers": ([*GOOD, *GOOD[1:]], 4, "is a trailer, and something follows it"),
    "two acknowledgements": (GOOD + GOOD, 5, TWO_IN_ONE),
    "another file's behind it": (
        [*GOOD, FULL.replace("vawave097", "vawave098"), *GOOD[1:]],
        5,
        TWO_IN_ONE,
    ),
    "no trailer": (GOOD[:-1], 3, NO_END),
    "nothing but a header": ([FULL], 1, NO_END),
    "accepted total no number": (
        [*GOOD[:-1], "T00000001x000000001"],
        4,
        "the total of lines accepted is not 9 digits",
    ),
    "trailer cut off": (
        [*GOOD[:-1], TRAILER[:-1]],
        4,
        "the total of lines rejected is not 9 digits",
    ),
    "trailer too long": ([*GOOD[:-1], f"{TRAILER}0"], 4, "the trailer goes on after its totals"),
    "full totals": (
        [*GOOD[:-1], "T000000002000000001"],
        4,
        "the totals are not those of the details, 1 accepted and 1 rejected",
    ),
    "rejects-only totals": (
        [REJECTS_ONLY, REJECTED, "T000000000000000001"],
        3,
        "the totals are not those of the details, 2 accepted and 1 rejected",
    ),
    "refused with totals": (
        [REFUSED, "T000000003000000000"],
        2,
        "the totals are not those of the details, 0 accepted and 0 rejected",
    ),
    "refused with details": (
        [REFUSED, ACCEPTED, "T000000001000000000"],
        2,
        "a refused file has no details",
    ),
}


@pytest.mark.parametrize("characters", [parallel.CHARACTERS, 1])
@pytest.mark.parametrize(("lines", "line", "fault"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformation_is_named_with_place_line_and_cause(
    lines: list[str],
    line: int,
    fault: str,
    characters: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parallel, "CHARACTERS", characters)
    with pytest.raises(MalformedAcknowledgement) as caught:
        parse(joined(lines))
    assert (caught.value.place, caught.value.line, caught.value.fault) == (PLACE, line, fault)
    assert str(caught.value) == f"{PLACE}, line {line}: {fault}. Next: {REMEDY}"
    assert (caught.value.cause, caught.value.is_transient) == (Cause.SOURCE, False)


@given(st.integers(min_value=0, max_value=len(joined(GOOD)) - 2))
def test_an_acknowledgement_that_is_still_growing_is_malformed(length: int) -> None:
    with pytest.raises(MalformedAcknowledgement):
        parse(joined(GOOD)[:length])


@st.composite
def acknowledgements(draw: st.DrawFn) -> Acknowledgement:
    """Draws an acknowledgement whose totals agree with its details."""
    disposition = draw(st.sampled_from(Disposition))
    code = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=4)
    detail = st.tuples(st.integers(1, 999), st.one_of(st.just(""), code), printable())
    is_refused = disposition is Disposition.REFUSED
    details = [] if is_refused else draw(st.lists(detail, max_size=20))
    rejected = sum(reason != "" for _, reason, _ in details)
    received = 999
    listed = len(details) - rejected
    is_rejects_only = disposition is Disposition.REJECTS_ONLY
    naive = draw(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)))  # noqa: DTZ001 - zoned below
    return Acknowledgement(
        file_name="vawave097",
        received_at=naive.replace(microsecond=0, tzinfo=CHICAGO).astimezone(UTC),
        lines_received=received,
        disposition=disposition,
        reason_code=draw(code) if is_refused else None,
        accepted_count=received - rejected if is_rejects_only else listed,
        rejected_count=rejected,
        details=pd.DataFrame(
            {
                "line_number": pd.Series([number for number, _, _ in details], dtype="int64"),
                "is_accepted": pd.Series([reason == "" for _, reason, _ in details], dtype="bool"),
                "reason_code": pd.Series([reason for _, reason, _ in details], dtype="str"),
                "echo": pd.Series([echo for _, _, echo in details], dtype="str"),
            }
        ),
    )


def printable() -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@given(acknowledgements(), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read_back(written: Acknowledgement, end: str) -> None:
    content = render_acknowledgement(written)
    read = parse(content.replace(b"\n", end.encode()))
    assert render_acknowledgement(read) == content
    assert read.received_at == written.received_at
    assert (read.disposition, read.reason_code) == (written.disposition, written.reason_code)
    pd.testing.assert_frame_equal(read.details, written.details)


@given(acknowledgements(), st.integers(1, 100))
def test_parts_are_read_as_the_whole_is(written: Acknowledgement, characters: int) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(parallel, "CHARACTERS", characters)
        read = parse(render_acknowledgement(written))
    pd.testing.assert_frame_equal(read.details, written.details)


def test_of_several_faults_the_first_line_is_named() -> None:
    unknown, out_of_range = "E" + REJECTED[1:], "D000000009A    "
    for lines, fault in (
        ([FULL, out_of_range, unknown, TRAILER], OUT_OF_RANGE),
        ([FULL, unknown, out_of_range, TRAILER], NO_DETAIL),
    ):
        with pytest.raises(MalformedAcknowledgement) as caught:
            parse(joined(lines))
        assert (caught.value.line, caught.value.fault) == (2, fault)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draws an acknowledgement with some bytes overwritten, removed, put in or cut off."""
    content = bytearray(render_acknowledgement(draw(acknowledgements())))
    marks = st.sampled_from([b"\n", b"\r\n", b"T", b"D", b" ", b"0"])
    piece = st.binary(max_size=3) | marks
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        content[start : start + draw(st.integers(0, 12))] = draw(piece)
    return bytes(content)


def parse_or_refuse(content: bytes) -> Acknowledgement | MalformedAcknowledgement:
    try:
        return parse(content)
    except MalformedAcknowledgement as error:
        return error


@given(st.one_of(damaged(), st.binary(max_size=200)))
def test_whatever_comes_has_totals_that_hold_or_is_malformed(content: bytes) -> None:
    read = parse_or_refuse(content)
    if isinstance(read, MalformedAcknowledgement):
        assert 1 <= read.line <= content.count(b"\n") + 1
        assert "\n" not in str(read)
        return
    rejected = int((~read.details["is_accepted"]).sum())
    is_rejects_only = read.disposition is Disposition.REJECTS_ONLY
    listed = read.lines_received if is_rejects_only else len(read.details)
    assert (read.accepted_count, read.rejected_count) == (listed - rejected, rejected)
    assert read.details["line_number"].between(1, read.lines_received).all()
    assert (read.details["is_accepted"] == (read.details["reason_code"] == "")).all()


@given(st.sampled_from(list(MALFORMED.values())))
def test_no_error_repeats_any_of_an_echo(malformed: tuple[list[str], int, str]) -> None:
    with pytest.raises(MalformedAcknowledgement) as caught:
        parse(joined(malformed[0]))
    assert not any(part in str(caught.value) for part in ("DOE", "9001234", "318A"))
