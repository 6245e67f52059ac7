"""What BDN's files may look like, each with what comes of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest

from vye_pipeline.bdn.acknowledgement import parse_acknowledgement
from vye_pipeline.bdn.wave_feed import FIELDS, parse_feed, render_feed
from vye_pipeline.errors import PipelineError
from vye_pipeline_tests.compatibility.page import REFUSED, WORKS, Row

pytestmark = pytest.mark.long

NAME = "vawave097"
PLACE = f"inbound/{date(2025, 4, 7)}/{NAME}.ack"
ACKNOWLEDGEMENT = (
    b"Hvawave097               20250407090000000000001F    \n"
    b"D000000001A    DOE    01900123420250407318AW\n"
    b"T000000001000000000\n"
)
FEED = render_feed(
    pd.DataFrame(
        [{field.name: "900000001" if field.name == "ssn" else "" for field in FIELDS}], dtype="str"
    )
).replace(b"\r\n", b"\n")

Change = Callable[[bytes], bytes]
AS_WRITTEN: dict[str, Change] = {
    "lines ended by LF": lambda content: content,
    "lines ended by CR LF": lambda content: content.replace(b"\n", b"\r\n"),
    "lines ended by CR CR LF": lambda content: content.replace(b"\n", b"\r\r\n"),
    "mixed line ends": lambda content: content.replace(b"\n", b"\r\n", 1),
    "no end of the last line": lambda content: content.rstrip(b"\n"),
    "0x1A at the end": lambda content: content + b"\x1a",
    "NUL bytes at the end": lambda content: content + b"\0" * 80,
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "blanks at the ends of lines": lambda content: content.replace(b"\n", b"      \n"),
}
OTHERWISE: dict[str, Change] = {
    "no line ends": lambda content: content.replace(b"\n", b""),
    "lines ended by CR alone": lambda content: content.replace(b"\n", b"\r"),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "EBCDIC": lambda content: content.decode().encode("cp037"),
    "records with a length in front (RDW)": lambda content: b"".join(
        (len(line) + 4).to_bytes(2, "big") + b"\0\0" + line for line in content.splitlines()
    ),
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "a sign-in page": lambda _: b"<html><title>Sign in</title></html>\n",
    "nothing": lambda _: b"",
    "a file that is still being written": lambda content: content[: len(content) // 2],
}
KINDS_OF_FILES: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "acknowledgement": (
        ACKNOWLEDGEMENT,
        lambda content: parse_acknowledgement(content, file_name=NAME, place=PLACE),
    ),
    "feed": (FEED, lambda content: parse_feed(content, place="inbound/2025-04-08/WAVE.txt")),
}


@pytest.mark.parametrize("kind", KINDS_OF_FILES)
def test_files_as_transfers_leave_them(kind: str, rows: list[Row]) -> None:
    whole, read = KINDS_OF_FILES[kind]
    for tried, change in AS_WRITTEN.items():
        read(change(whole))
        rows.append(Row(kind, tried, WORKS))
    for tried, change in OTHERWISE.items():
        with pytest.raises(PipelineError) as caught:
            read(change(whole))
        assert "\n" not in str(caught.value)
        rows.append(Row(kind, tried, REFUSED, str(caught.value)))
