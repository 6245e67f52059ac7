"""Whatever comes as an acknowledgement is read with totals that hold, or is malformed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pandas as pd
import pytest

from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
    render_acknowledgement,
)
from vye_pipeline.bdn.acknowledgement_text import MalformedAcknowledgement
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline_tests.integration.rehearsal import DAYS, at

pytestmark = pytest.mark.long

INPUTS = 100_000
NAME, PLACE = "vawave091", "inbound/2025-04-01/vawave091.ack"
NUMBER = "900123456"
ECHO = f"DOE    {NUMBER}20250401318AW"
PIECES = (
    b"\n",
    b"\r\n",
    b"T",
    b"D",
    b"H",
    b" ",
    b"0",
    b"\x00",
    b"\xff",
    b"A",
    b"R001",
    b"999999999",
)


def sound(random: Random) -> bytes:
    """Returns an acknowledgement that is well-formed."""
    disposition = random.choice(list(Disposition))
    count = 0 if disposition is Disposition.REFUSED else random.randrange(6)
    received = count + random.randrange(3)
    rejected = [random.random() < 0.4 for _ in range(count)]
    accepted = received if disposition is Disposition.REJECTS_ONLY else count
    details = pd.DataFrame(
        {
            "line_number": [random.randint(1, max(received, 1)) for _ in range(count)],
            "is_accepted": [not one for one in rejected],
            "reason_code": ["R001" if one else "" for one in rejected],
            "echo": [ECHO] * count,
        }
    ).astype({"line_number": "int64", "is_accepted": "bool", "reason_code": "str", "echo": "str"})
    is_refused = disposition is Disposition.REFUSED
    return render_acknowledgement(
        Acknowledgement(
            NAME,
            at(DAYS[0], hours=2),
            received,
            disposition,
            "X001" if is_refused else None,
            0 if is_refused else accepted - sum(rejected),
            sum(rejected),
            details,
        )
    )


def flip(content: bytearray, random: Random) -> None:
    """Overwrites a byte."""
    if content:
        content[random.randrange(len(content))] = random.randrange(256)


def cut(content: bytearray, random: Random) -> None:
    """Cuts the end off, or something out of the middle."""
    start = random.randint(0, len(content))
    del content[start : start + random.choice([1, 10, 10_000])]


def splice(content: bytearray, random: Random) -> None:
    """Puts something in, or a piece of itself."""
    start = random.randint(0, len(content))
    piece = random.choice(PIECES) if random.random() < 0.7 else content[start : start + 40]
    content[random.randint(0, len(content)) : start] = piece


def shuffle_lines(content: bytearray, random: Random) -> None:
    """Swaps, repeats or drops lines."""
    lines = content.split(b"\n")
    content[:] = b"\n".join(random.choices(lines, k=random.randint(1, len(lines) + 2)))


def transfer(content: bytearray, random: Random) -> None:
    """Changes line ends and cuts trailing blanks, as transfers do."""
    lines = [line.rstrip() if random.random() < 0.5 else line for line in content.split(b"\n")]
    content[:] = random.choice([b"\r\n", b"\n", b"\r"]).join(lines)


def replace_all(content: bytearray, random: Random) -> None:
    """Is something else altogether."""
    content[:] = random.randbytes(random.randrange(200))


MUTATIONS: tuple[Callable[[bytearray, Random], None], ...] = (
    flip, flip, cut, splice, splice, shuffle_lines, transfer, replace_all,
)  # fmt: skip


def test_a_hundred_thousand_inputs_are_read_rightly_or_refused() -> None:
    random = Random(20250401)
    samples = [sound(random) for _ in range(500)]
    read_count = 0
    for _ in range(INPUTS):
        content = bytearray(random.choice(samples))
        for mutate in random.choices(MUTATIONS, k=random.randint(0, 3)):
            mutate(content, random)
        read_count += looks_right(bytes(content))
    assert INPUTS / 10 < read_count < INPUTS


def read_or_refused(content: bytes) -> Acknowledgement | MalformedAcknowledgement:
    """Reads an input; anything but the documented error ends the test."""
    try:
        return parse_acknowledgement(content, file_name=NAME, place=PLACE)
    except MalformedAcknowledgement as error:
        return error


def looks_right(content: bytes) -> bool:
    """Reads an input and says whether it could be read; what was read must add up."""
    read = read_or_refused(content)
    if isinstance(read, MalformedAcknowledgement):
        assert NUMBER not in str(read)
        assert 1 <= read.line <= content.count(b"\n") + 1
        return False
    details = read.details
    rejected = int((~details["is_accepted"]).sum())
    is_rejects_only = read.disposition is Disposition.REJECTS_ONLY
    listed = read.lines_received if is_rejects_only else len(details)
    assert (read.accepted_count, read.rejected_count) == (listed - rejected, rejected)
    assert details["line_number"].between(1, read.lines_received).all()
    assert (details["is_accepted"] == (details["reason_code"] == "")).all()
    assert not (read.disposition is Disposition.REFUSED and len(details))
    return True
