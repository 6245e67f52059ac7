"""Hundreds of days with every fault at once, against an oracle written from the contract alone.

The oracle (bdn-interface.md, part 3) goes through lines and details one by one, with dictionaries.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date
from random import Random

import pandas as pd
import pytest

from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
    render_acknowledgement,
)
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name
from vye_pipeline.reconciliation.diff import compare
from vye_pipeline.records import KINDS, VERIFICATIONS, Kind
from vye_pipeline_tests.integration.rehearsal import at

pytestmark = pytest.mark.long

DAYS = 900
DAY = date(2025, 4, 7)
Row = dict[str, object]


def line_of(kind: Kind, person: int, random: Random) -> str:
    """Returns a line about a person; some people have several."""
    ssn, when = f"{900_000_000 + person:09}", random.choice(["20250401", "20250402"])
    if kind is VERIFICATIONS:
        return f"{f'VET{person}':7}{ssn}{when}307AW"
    extra = [random.choice([" ", "x", "Main St"]) for _ in range(len(kind.fields) - 4)]
    return ",".join(["307", "A", ssn, f"{person:9}", *extra])


def identity(kind: Kind, text: str) -> tuple[str, ...] | None:
    """Returns who a text is about, None where it doesn't say."""
    who: tuple[str, ...]
    if kind is VERIFICATIONS:
        who = (text[7:16], text[:7].rstrip(" "), text[27:28])
        whole = len(text) >= 28
    else:
        parts = text.split(",")
        whole = len(parts) >= 4
        who = (parts[2].rstrip(" "), parts[3].rstrip(" ")) if whole else ("", "")
    return who if whole and len(who[0]) == 9 and who[0].isdigit() else None


def same(one: str, other: str) -> bool:
    return one.rstrip(" ") == other.rstrip(" ")


def meant(kind: Kind, lines: list[str], number: int, echo: str) -> int | None:
    """Returns the line (from 0) of which a detail speaks, None where there is none."""
    here = number - 1 if number <= len(lines) else None
    if here is not None and same(echo, lines[here]):
        return here
    who = identity(kind, echo)
    if who is None or (here is not None and who == identity(kind, lines[here])):
        return here
    for at_line, sent in enumerate(lines):
        if same(echo, sent):
            return at_line
    owners = [at_line for at_line, sent in enumerate(lines) if identity(kind, sent) == who]
    return owners[0] if len(owners) == 1 else None


def oracle(
    kind: Kind, lines: list[str], answers: list[Acknowledgement], *, is_overdue: bool
) -> tuple[list[str], int]:
    """Returns the status of each line and how many answers were unexpected."""
    said: dict[int, set[tuple[str, str]]] = defaultdict(set)
    listed: set[int] = set()
    unexpected = 0
    for one in answers:
        for row in one.details.to_dict("records"):
            listed.add(row["line_number"])
            number = meant(kind, lines, row["line_number"], row["echo"])
            if number is None:
                unexpected += 1
            elif not row["is_accepted"]:
                said[number].add(("rejected", row["reason_code"]))
            elif same(row["echo"], lines[number]):
                said[number].add(("acknowledged", ""))
            else:
                said[number].add(("mismatched", row["echo"]))
    refuse(lines, answers, said)
    return [
        settle(number, said[number], listed, answers, is_overdue=is_overdue)
        for number in range(len(lines))
    ], unexpected


def refuse(
    lines: list[str], answers: list[Acknowledgement], said: dict[int, set[tuple[str, str]]]
) -> None:
    """A refused file rejects all lines, unless BDN took another revision of it."""
    taken = {one.file_name for one in answers if one.disposition is not Disposition.REFUSED}
    for one in answers:
        is_void = bool(taken) and one.file_name not in taken
        if one.disposition is Disposition.REFUSED and not is_void:
            for number in range(len(lines)):
                said[number].add(("rejected", one.reason_code or ""))


def settle(
    number: int,
    said: set[tuple[str, str]],
    listed: set[int],
    answers: list[Acknowledgement],
    *,
    is_overdue: bool,
) -> str:
    """Puts together what is said of a line."""
    if len(said) > 1:
        return "conflicting"
    if said:
        return next(iter(said))[0]
    rejects = [one.lines_received for one in answers if one.disposition is Disposition.REJECTS_ONLY]
    full = [one.lines_received for one in answers if one.disposition is Disposition.FULL]
    if number < max(rejects, default=0):
        return "acknowledged"
    is_final = bool(rejects) or (bool(full) and len(listed) >= max(full))
    return "missing" if is_final or is_overdue else "pending"


def answer_of(kind: Kind, lines: list[str], sequence: int, random: Random) -> Acknowledgement:
    """Returns an answer with faults, through its bytes as a transfer may leave them."""
    disposition = random.choices(list(Disposition), [6, 2, 1])[0]
    revision = random.choice([1, 1, 1, 2])
    received = max(0, len(lines) + random.choice([0, 0, 0, -1, 1, 2]))
    numbers = list(range(1, received + 1))
    random.shuffle(numbers)
    numbers = numbers[: random.randint(0, len(numbers))] if random.random() < 0.5 else numbers
    numbers += random.choices(numbers, k=random.randrange(3)) if numbers else []
    if disposition is Disposition.REFUSED:
        numbers = []
    rejected = [random.random() < 0.25 for _ in numbers]
    details = pd.DataFrame(
        {
            "line_number": numbers,
            "is_accepted": [not one for one in rejected],
            "reason_code": [random.choice(["R001", "R002"]) if one else "" for one in rejected],
            "echo": [echo_of(kind, lines, number, random) for number in numbers],
        }
    ).astype({"line_number": "int64", "is_accepted": "bool", "reason_code": "str", "echo": "str"})
    is_refused = disposition is Disposition.REFUSED
    accepted = received if disposition is Disposition.REJECTS_ONLY else len(numbers)
    name = file_name(kind, DAY, revision)
    given = Acknowledgement(
        name,
        at(DAY, hours=2),
        received,
        disposition,
        random.choice(["X001", "X002"]) if is_refused else None,
        0 if is_refused else max(accepted - sum(rejected), 0),
        sum(rejected),
        details,
    )
    if disposition is Disposition.REJECTS_ONLY and sum(rejected) > received:
        given = replace(given, details=details[:0], rejected_count=0, accepted_count=received)
    content = render_acknowledgement(given)
    if random.random() < 0.3:
        content = b"\r\n".join(content.split(b"\n"))
    place = acknowledgement_key(kind, DAY, sequence, revision)
    return parse_acknowledgement(content, file_name=name, place=place)


def echo_of(kind: Kind, lines: list[str], number: int, random: Random) -> str:
    """Returns what BDN read: mostly the line, else another's, garbled, cut or a stranger's."""
    sent = lines[number - 1] if number <= len(lines) else line_of(kind, 77, random)
    fault = random.random()
    if fault < 0.6:
        return sent
    if fault < 0.7:
        return random.choice([*lines, sent])
    if fault < 0.8:
        return line_of(kind, random.randrange(90), random)
    if fault < 0.9:
        at_character = random.randrange(len(sent))
        return sent[:at_character] + random.choice("?9 x") + sent[at_character + 1 :]
    return random.choice([sent.rstrip(), sent + "  ", sent[: random.randrange(len(sent))]])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_day_comes_out_as_the_contract_says_in_any_order(kind: Kind) -> None:
    random = Random(kind.name)
    seen: set[str] = set()
    for _ in range(DAYS // len(KINDS) + 1):
        lines = [line_of(kind, random.randrange(8), random) for _ in range(random.randrange(9))]
        answers = [
            answer_of(kind, lines, sequence, random)
            for sequence in range(1, 1 + random.randrange(5))
        ]
        is_overdue = random.random() < 0.5
        expected, unexpected = oracle(kind, lines, answers, is_overdue=is_overdue)
        sent = "".join(f"{line}\n" for line in lines).encode()
        first = compare(kind, sent, answers, is_overdue=is_overdue)
        assert first.lines["status"].tolist() == expected
        assert first.lines["line_number"].tolist() == list(range(1, len(lines) + 1))
        assert len(first.unexpected) == unexpected
        random.shuffle(answers)
        again = compare(kind, sent, answers, is_overdue=is_overdue)
        pd.testing.assert_frame_equal(again.lines, first.lines)
        seen.update(expected)
    assert seen == {
        "acknowledged", "mismatched", "rejected", "missing", "conflicting", "pending",
    }  # fmt: skip
