"""Names and keys follow from kind and partition alone, and lead back to them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.bdn.file_names import (
    AcknowledgementPlace,
    acknowledgement_key,
    acknowledgement_place,
    file_name,
    inbound_prefix,
    outbound_key,
)
from vye_pipeline.records import KINDS, Kind, kind_named

DAY = date(2025, 4, 7)
VERIFICATIONS = kind_named("verifications")
FIRST = AcknowledgementPlace(revision=1, sequence=1)
KIND = st.sampled_from(KINDS)
NUMBERS = st.integers(min_value=1, max_value=9_999)
DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2035, 12, 31))


@pytest.mark.parametrize(
    ("kind", "day", "name"),
    [
        ("verifications", date(2025, 4, 7), "vawave097"),
        ("verifications", date(2025, 1, 2), "vawave002"),
        ("verifications", date(2024, 12, 31), "vawave366"),
        ("direct_deposit_changes", date(2025, 4, 7), "DirDep20250407044500.txt"),
        ("address_changes", date(2025, 1, 2), "CHGADD20250102044500.txt"),
    ],
)
def test_names_are_those_that_the_receivers_expect(kind: str, day: date, name: str) -> None:
    assert file_name(kind_named(kind), day) == name


@given(DAYS)
def test_the_cut_off_is_a_quarter_to_five_in_chicago_in_summer_and_winter(day: date) -> None:
    name = file_name(kind_named("address_changes"), day)
    assert name == f"CHGADD{day:%Y%m%d}044500.txt"


def test_keys_are_the_contract_s() -> None:
    assert outbound_key(VERIFICATIONS, DAY) == "outbound/2025-04-07/vawave097"
    assert inbound_prefix(DAY) == "inbound/2025-04-07/"
    assert acknowledgement_key(VERIFICATIONS, DAY) == "inbound/2025-04-07/vawave097.ack"
    assert acknowledgement_key(VERIFICATIONS, DAY, 2) == "inbound/2025-04-07/vawave097.ack.2"
    assert outbound_key(VERIFICATIONS, DAY, 2) == "outbound/2025-04-07/vawave097.r2"
    assert acknowledgement_key(VERIFICATIONS, DAY, 3, 2) == "inbound/2025-04-07/vawave097.r2.ack.3"


@given(KIND, DAYS, NUMBERS, NUMBERS)
def test_an_acknowledgement_s_key_leads_back_to_its_place(
    kind: Kind, day: date, sequence: int, revision: int
) -> None:
    key = acknowledgement_key(kind, day, sequence, revision)
    assert key.startswith(inbound_prefix(day))
    assert acknowledgement_place(kind, day, key) == AcknowledgementPlace(revision, sequence)


@given(KIND, KIND, DAYS, DAYS)
def test_a_key_belongs_to_one_kind_and_day_only(
    kind: Kind, other_kind: Kind, day: date, other_day: date
) -> None:
    key = acknowledgement_key(other_kind, other_day)
    is_own = (kind, day) == (other_kind, other_day)
    assert acknowledgement_place(kind, day, key) == (FIRST if is_own else None)


@pytest.mark.parametrize(
    "end",
    [
        "",
        ".ACK",
        ".ack.",
        ".ack.0",
        ".ack.1",
        ".ack.02",
        ".ack.-2",
        ".ack.2.3",
        ".r1.ack",
        ".r02.ack",
        ".r2",
        ".r2.r3.ack",
        ".ack.2\n",
        ".ack.²",
        ".ack.part",
        "x.ack",
    ],
)
def test_what_only_resembles_an_acknowledgement_s_key_is_none(end: str) -> None:
    key = f"inbound/2025-04-07/vawave097{end}"
    assert acknowledgement_place(VERIFICATIONS, DAY, key) is None


def test_the_name_s_dot_stands_for_a_dot_only() -> None:
    key = "inbound/2025-04-07/DirDep20250407044500xtxt.ack"
    assert acknowledgement_place(kind_named("direct_deposit_changes"), DAY, key) is None
