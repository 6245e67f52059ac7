"""The diff against an oracle that was written from bdn-interface.md alone, line by line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vye_pipeline.bdn.acknowledgement import Acknowledgement
from vye_pipeline.bdn.acknowledgement_details import no_details
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import file_name
from vye_pipeline.columns import parallel
from vye_pipeline.reconciliation.diff import compare
from vye_pipeline.records import ADDRESS_CHANGES, VERIFICATIONS

DAY = date(2025, 4, 7)
RECEIVED_AT = datetime(2025, 4, 7, 12, tzinfo=UTC)


def line(person: int, *, transact_date: str = "20250401") -> str:
    return f"{f'VET{person}':7}{900_000_000 + person:09}{transact_date}307AW"


@dataclass(frozen=True)
class Detail:
    """One detail of an acknowledgement, as a test writes it."""

    number: int
    is_accepted: bool
    code: str
    echo: str


def acknowledge(
    details: list[Detail], received: int, disposition: Disposition = Disposition.FULL
) -> Acknowledgement:
    refused = disposition is Disposition.REFUSED
    frame = pd.DataFrame(
        {
            "line_number": [one.number for one in details],
            "is_accepted": [one.is_accepted for one in details],
            "reason_code": [one.code for one in details],
            "echo": [one.echo for one in details],
        }
    ).astype({"reason_code": "str", "echo": "str", "is_accepted": "bool", "line_number": "int64"})
    return Acknowledgement(
        file_name(VERIFICATIONS, DAY),
        RECEIVED_AT,
        received,
        disposition,
        "X001" if refused else None,
        0,
        0,
        no_details() if refused else frame,
    )


def identity(text: str) -> str:
    return text[:7].rstrip() + text[7:16] + text[27:28]


def oracle(  # noqa: C901 - one plain pass, as the contract reads
    lines: list[str], acknowledgements: list[Acknowledgement], *, is_overdue: bool
) -> tuple[list[str], int]:
    """Returns the status of each line and how many answers were unexpected."""
    said: dict[int, set[tuple[str, str]]] = {number: set() for number in range(len(lines))}
    listed: set[int] = set()
    unexpected = 0
    for one in acknowledgements:
        if one.disposition is Disposition.REFUSED:
            for number in said:
                said[number].add(("rejected", "X001"))
        for row in one.details.to_dict("records"):
            listed.add(row["line_number"])
            number, echo = row["line_number"] - 1, row["echo"].rstrip()
            if number >= len(lines) or identity(echo) != identity(lines[number]):
                same = [at for at, sent in enumerate(lines) if sent.rstrip() == echo]
                theirs = [at for at, s in enumerate(lines) if identity(s) == identity(echo)]
                same = same or (theirs if len(theirs) == 1 else [])
                if not same:
                    unexpected += 1
                    continue
                number = same[0]
            if not row["is_accepted"]:
                said[number].add(("rejected", row["reason_code"]))
            elif echo == lines[number]:
                said[number].add(("acknowledged", ""))
            else:
                said[number].add(("mismatched", echo))
    kinds = Counter(one.disposition for one in acknowledgements)
    full = [one.lines_received for one in acknowledgements if one.disposition is Disposition.FULL]
    rejects = [
        one.lines_received
        for one in acknowledgements
        if one.disposition is Disposition.REJECTS_ONLY
    ]
    is_final = kinds[Disposition.REJECTS_ONLY] > 0 or (full and len(listed) >= max(full))
    statuses = []
    for number, results in said.items():
        if len(results) > 1:
            statuses.append("conflicting")
        elif results:
            statuses.append(next(iter(results))[0])
        elif number < max(rejects, default=0):
            statuses.append("acknowledged")
        else:
            statuses.append("missing" if is_final or is_overdue else "pending")
    return statuses, unexpected


@st.composite
def answered_days(draw: st.DrawFn) -> tuple[list[str], list[Acknowledgement], bool]:
    dates = st.sampled_from(["20250401", "20250402"])  # some verify twice a day
    people = draw(st.lists(st.tuples(st.integers(0, 6), dates), max_size=6))
    lines = [line(person, transact_date=transact_date) for person, transact_date in people]
    count = len(lines)
    echoes = st.sampled_from(
        [*lines, line(77), *(line(p, transact_date="20990101") for p in range(3))]
    )
    acknowledgements = []
    for _ in range(draw(st.integers(0, 3))):
        received = draw(st.integers(0, count + 2))
        detail = st.builds(
            lambda number, code, echo: Detail(number, not code, code, echo),
            st.integers(1, max(received, 1)),
            st.sampled_from(["", "", "R001", "R002"]),
            echoes,
        )
        details = draw(st.lists(detail, max_size=6)) if received else []
        disposition = draw(st.sampled_from([Disposition.FULL, *Disposition]))
        acknowledgements.append(acknowledge(details, received, disposition))
    return lines, acknowledgements, draw(st.booleans())


@given(answered_days(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=100)
def test_the_diff_says_what_the_oracle_says_in_any_order(
    day: tuple[list[str], list[Acknowledgement], bool], random: Random, in_parts: bool
) -> None:
    lines, acknowledgements, is_overdue = day
    sent = "".join(f"{one}\n" for one in lines).encode()
    expected, unexpected = oracle(lines, acknowledgements, is_overdue=is_overdue)
    random.shuffle(acknowledgements)
    with pytest.MonkeyPatch.context() as patching:
        if in_parts:
            patching.setattr(parallel, "ROWS", 1)
            patching.setattr(parallel, "WORTHWHILE", 0)
        found = compare(VERIFICATIONS, sent, acknowledgements, is_overdue=is_overdue)
    assert found.lines["status"].tolist() == expected
    assert found.lines["line_number"].tolist() == list(range(1, len(lines) + 1))
    assert len(found.unexpected) == unexpected


def sent_lines(*people: int) -> bytes:
    return "".join(f"{line(person)}\n" for person in people).encode()


def test_a_misread_line_names_the_fields_that_differ() -> None:
    echo = line(1, transact_date="20250402")
    answer = acknowledge([Detail(1, True, "", echo)], 1)
    found = compare(VERIFICATIONS, sent_lines(1), [answer], is_overdue=False)
    assert found.lines[["status", "fields"]].to_numpy().tolist() == [
        ["mismatched", "transact_date"]
    ]


def test_blanks_cut_at_the_end_by_a_transfer_are_no_difference() -> None:
    answer = acknowledge([Detail(1, True, "", line(1) + "   ")], 1)
    found = compare(VERIFICATIONS, sent_lines(1), [answer], is_overdue=False)
    assert found.lines["status"].tolist() == ["acknowledged"]


def test_lines_that_bdn_numbered_anew_after_losing_one_are_found_by_identity() -> None:
    details = [Detail(1, True, "", line(2)), Detail(2, True, "", line(3))]
    found = compare(VERIFICATIONS, sent_lines(1, 2, 3), [acknowledge(details, 2)], is_overdue=False)
    assert found.lines["status"].tolist() == ["missing", "acknowledged", "acknowledged"]


def test_a_refused_file_rejects_every_line_with_its_reason() -> None:
    refused = acknowledge([], 2, Disposition.REFUSED)
    found = compare(VERIFICATIONS, sent_lines(1, 2), [refused], is_overdue=False)
    assert found.lines["status"].tolist() == ["rejected"] * 2
    assert found.lines["reason_code"].tolist() == ["X001"] * 2


def test_the_same_answer_twice_is_one_answer() -> None:
    answer = acknowledge([Detail(1, True, "", line(1))], 1)
    found = compare(VERIFICATIONS, sent_lines(1), [answer, replace(answer)], is_overdue=False)
    assert found.lines["status"].tolist() == ["acknowledged"]


ADDRESSES = [
    f"316,A,90012347{number},70000001{number},{name:20},{number} Alder Road,{second}, , ,"
    "Ashford,CO    ,81000"
    for number, (name, second) in enumerate(
        [("Ann Example", " "), ("Pat O'Brien", "Apt  4"), ("Bo & Sons", " ")]
    )
]
REJOINED = [",".join(part.strip() for part in one.split(",")) for one in ADDRESSES]


@pytest.mark.parametrize(
    ("echoes", "expected"),
    [
        (REJOINED, [("mismatched", "padding")] * 3),
        (
            [REJOINED[0], *ADDRESSES[1:]],
            [("mismatched", "padding"), ("acknowledged", None), ("acknowledged", None)],
        ),
        (
            [REJOINED[0], REJOINED[1].replace("Alder", "Elder"), f"{ADDRESSES[2]}     "],
            [("mismatched", "padding"), ("mismatched", "address1"), ("acknowledged", None)],
        ),
        (
            [one.rpartition(",")[0] for one in REJOINED],
            [("mismatched", "zip_code")] * 3,
        ),
    ],
    ids=["all lines", "one line", "and a field", "a field less"],
)
def test_an_echo_that_differs_in_blanks_alone_is_mismatched_in_padding(
    echoes: list[str], expected: list[tuple[str, str | None]]
) -> None:
    sent = "".join(f"{one}\n" for one in ADDRESSES).encode()
    answer = acknowledge(
        [Detail(number, True, "", echo) for number, echo in enumerate(echoes, 1)], len(echoes)
    )
    found = compare(ADDRESS_CHANGES, sent, [answer], is_overdue=False)
    rows = found.lines[["status", "fields"]].astype(object)
    assert [tuple(row) for row in rows.where(rows.notna(), None).to_numpy()] == expected
    assert found.unexpected.empty


def test_a_misreading_told_twice_with_other_blanks_is_no_contradiction() -> None:
    misread = line(1, transact_date="20250402")
    answers = [acknowledge([Detail(1, True, "", misread + blanks)], 1) for blanks in ("", "   ")]
    found = compare(VERIFICATIONS, f"{line(1)}\n".encode(), answers, is_overdue=False)
    assert found.lines["status"].tolist() == ["mismatched"]
