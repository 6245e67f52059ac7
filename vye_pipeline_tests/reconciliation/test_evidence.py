"""The feed confirms what it shows, contradicts what it shows otherwise, and else says nothing."""

from __future__ import annotations

from random import Random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.bdn.wave_feed import FIELDS
from vye_pipeline.reconciliation.evidence import evidence
from vye_pipeline.records import ADDRESS_CHANGES, KINDS, VERIFICATIONS, kind_named

BLANK = {field.name: "" for field in FIELDS}
TOWN = {"address1": "1 LONG STREET NAME A", "address2": "APT 2", "address3": "SPRINGFIELD IL"}


def feed(*beneficiaries: dict[str, str]) -> pd.DataFrame:
    names = list(BLANK)
    return pd.DataFrame([BLANK | one for one in beneficiaries], columns=names).astype(
        dict.fromkeys(names, "str")
    )


def verification(ssn: str, stub: str, day: str) -> str:
    return f"{stub:7}{ssn[7:]}{ssn[:7]}{day}307AW\n"


def address(ssn: str, **changed: str) -> str:
    values = {
        "address1": "1 Long Street Name And More",
        "address2": "Apt 2",
        "address3": " ",
        "address4": " ",
        "city": "Springfield",
        "state": "IL",
        "zip_code": "62701",
    } | changed
    return f"307,A,{ssn},{ssn},{'Jane Doe':20},{','.join(values.values())}\n"


def found(lines: pd.DataFrame) -> list[tuple[int, str, str | None]]:
    rows = lines.astype(object).where(lines.notna(), None)
    return [tuple(row) for row in rows.to_numpy().tolist()]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["20250401", "20250402"])), max_size=8),
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["", "00000000", "20250331", "20250401"])),
        max_size=8,
    ),
)
def test_verifications_are_as_a_plain_reading_of_the_contract_has_it(
    sent: list[tuple[int, str]], known: list[tuple[int, str]]
) -> None:
    content = "".join(
        verification(f"{900_000_000 + who}", f"VET{who}", day) for who, day in sent
    ).encode()
    rows = feed(
        *(
            {"ssn": f"{900_000_000 + who}", "stub_nm": f"VET{who}", "date_last_certified": day}
            for who, day in known
        )
    )
    expected: list[tuple[int, str, str | None]] = []
    for number, (who, day) in enumerate(sent, 1):
        reached = [last for other, last in known if other == who]
        if any(last.strip("0") and last >= day for last in reached):
            expected.append((number, "confirmed_by_feed", None))
        elif reached:
            expected.append((number, "contradicted_by_feed", "transact_date"))
    assert found(evidence(VERIFICATIONS, content, rows)) == expected


def test_an_ssn_with_another_stub_is_somebody_else() -> None:
    sent = verification("900000001", "DOE", "20250401").encode()
    rows = feed({"ssn": "900000001", "stub_nm": "ROE", "date_last_certified": "20250401"})
    assert found(evidence(VERIFICATIONS, sent, rows)) == []


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, None),
        ({"address2": " "}, None),
        ({"address1": "2 Other Street"}, "address1"),
        ({"city": "Shelbyville", "zip_code": "62702"}, "city,zip_code"),
        ({"state": "OH"}, "state"),
    ],
)
def test_an_address_is_compared_as_bdn_keeps_it(
    changed: dict[str, str], fields: str | None
) -> None:
    rows = feed({"ssn": "900000001", "zip_code": "627010000"} | TOWN)
    said = "contradicted_by_feed" if fields else "confirmed_by_feed"
    sent = address("900000001", **changed) + address("900000002")
    assert found(evidence(ADDRESS_CHANGES, sent.encode(), rows)) == [(1, said, fields)]


@pytest.mark.parametrize(
    ("city", "state", "line", "fields"),
    [
        ("Rancho Santa Margarita", "CA", "RANCHO SANTA MARGARI", None),
        ("Rancho Cucamonga E", "CA", "RANCHO CUCAMONGA E C", None),
        ("Springfield", "IL", "SPRINGFIELD ILLINOIS", None),
        ("Springfield", "Illinois", "SPRINGFIELD IL", None),
        ("Springfield", "IL", "SPRINGFIELD, IL", None),
        ("Springfield", "MA", "SPRINGFIELD MASSACHU", None),
        ("Springfield", "NH", "SPRINGFIELD, NEW HAM", None),
        ("Springfield", "IL", "SPRINGFIELD OH", "state"),
        ("Springfield", "IL", "SPRINGFIELD MASSACHU", "state"),
        ("Columbus", "CO", "COLUMBUS OH", "state"),
        ("Rancho Santa Margarita", "CA", "RANCHO SANTA MONICA", "city,state"),
    ],
)
def test_city_and_state_may_be_cut_and_the_state_spelt_out(
    city: str, state: str, line: str, fields: str | None
) -> None:
    rows = feed({"ssn": "900000001", "zip_code": "627010000"} | TOWN | {"address3": line})
    said = "contradicted_by_feed" if fields else "confirmed_by_feed"
    sent = address("900000001", city=city, state=state)
    assert found(evidence(ADDRESS_CHANGES, sent.encode(), rows)) == [(1, said, fields)]


def test_of_bank_accounts_and_of_nobody_the_feed_says_nothing() -> None:
    rows = feed({"ssn": "900000001"})
    assert evidence(kind_named("direct_deposit_changes"), b"307,A,900000001\n", rows).empty
    for kind in KINDS:
        assert evidence(kind, b"", rows).empty
        assert evidence(kind, b"", feed()).empty


def test_the_order_of_the_feed_does_not_matter() -> None:
    rows = [
        {"ssn": "900000001", "stub_nm": "DOE", "date_last_certified": day}
        for day in ("", "20250331", "20250405")
    ]
    sent = verification("900000001", "DOE", "20250401").encode()
    for seed in range(6):
        Random(seed).shuffle(rows)
        assert found(evidence(VERIFICATIONS, sent, feed(*rows))) == [(1, "confirmed_by_feed", None)]
