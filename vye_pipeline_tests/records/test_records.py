"""Checking, rendering and parsing against an oracle that takes one record at a time."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vye_pipeline.columns import parallel
from vye_pipeline.errors import UsageError
from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.records.checking import check
from vye_pipeline.records.encoding import as_it_is
from vye_pipeline.records.layout import parse, render, split_lines
from vye_pipeline_tests.records.value_oracle import sendable

CLEAN = {
    "stub_nm": "PMLINDE", "ssn": "910273377", "transact_date": "2024-02-29", "rpo_code": "307",
    "indicator": "A", "source_ind": "P", "file_number": "642766225", "full_name": "Pam Linden",
    "phone": "(555) 555-0123", "phone2": "", "email": "pam@example.com", "acct_no": "12345678",
    "acct_type": "checking", "routing_no": "996206248", "bank_name": "Demo Federal",
    "bank_phone": "5555550123", "veteran_name": "Pam Linden", "address1": "2791 Hill Rd",
    "address2": "", "address3": "", "address4": "", "city": "Lakeside", "state": "AZ",
    "zip_code": "26773",
}  # fmt: skip
ODD = st.sampled_from(
    ["", " ", "José", "a,b", "a\tb", "a\r\nb", "ß", "\u200b", "\uff0c", "\u2003", "x" * 40, "12345",
     "021000021", "021000022", "99", "W", "savings", "(no) digits", " inner  spaces "]
)  # fmt: skip


def record(kind: Kind, **changed: str) -> dict[str, object]:
    values: dict[str, object] = {column.name: CLEAN[column.name] for column in kind.columns}
    return {"record_id": 1} | values | changed


def frame(records: list[dict[str, object]]) -> pd.DataFrame:
    numbered = pd.DataFrame(records).assign(record_id=range(1, len(records) + 1))
    return numbered.astype({name: "str" for name in numbered.columns if name != "record_id"})


def is_at_fault(kind: Kind, name: str, text: str) -> bool:
    """Says whether a column of one record breaks a rule of bdn-interface.md, part 1."""
    if name == "transact_date":
        return not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
    return sendable(name, text, is_separated=not kind.is_fixed_width) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@settings(max_examples=25)
@given(data=st.data(), in_parts=st.booleans())
def test_every_fault_of_every_record_is_found_and_the_rest_is_sent_readable(
    kind: Kind, data: st.DataObject, in_parts: bool
) -> None:
    names = [column.name for column in kind.columns]
    changes = st.dictionaries(st.sampled_from(names), ODD, max_size=3)
    records = [
        record(kind, **changed) for changed in data.draw(st.lists(changes, min_size=1, max_size=5))
    ]
    given_frame = frame(records)
    before = given_frame.copy()
    with pytest.MonkeyPatch.context() as patching:
        if in_parts:
            patching.setattr(parallel, "WORTHWHILE", 0)
        checked = check(kind, given_frame)
    pd.testing.assert_frame_equal(given_frame, before)
    faults = checked.findings[checked.findings["is_quarantining"]]
    found = set(zip(faults["record_id"], faults["field"], strict=True))
    expected = {
        (number, name)
        for number, one in enumerate(records, start=1)
        for name in names
        if is_at_fault(kind, name, str(one[name]))
    }
    assert found == expected
    sent = checked.records[~checked.records["record_id"].isin(checked.quarantined_ids)]
    lines = split_lines(render(kind, sent)).to_pylist()
    assert len(lines) == len(sent)
    for line in lines:
        assert re.fullmatch("[ -~]+", line)
        if kind.is_fixed_width:
            assert len(line) == 29
        else:
            assert line.count(",") == len(kind.fields) - 1
    fields = parse(kind, pa.array(lines, pa.string()))
    for name in (field.name for field in kind.fields if field.encode is as_it_is):
        assert fields[name].to_pylist() == [text.rstrip(" ") for text in sent[name]]


def line_of(name: str, **changed: str) -> str:
    kind = kind_named(name)
    return render(kind, check(kind, frame([record(kind, **changed)])).records).decode()


def test_the_ssns_last_two_digits_stand_in_front_in_verifications() -> None:
    assert line_of("verifications", ssn="123456789")[7:16] == "891234567"
    assert line_of("verifications", ssn="1234567")[7:16] == "670012345"


def test_phones_have_dashes_after_the_third_and_the_sixth_digit() -> None:
    fields = line_of("direct_deposit_changes", phone="15551234567", bank_phone="123456").split(",")
    assert fields[5] == "155-512-34567"
    assert fields[13] == "123456\n"


def test_a_blank_field_is_one_space_then_padded() -> None:
    fields = line_of("address_changes", address2="  ", state="", zip_code="").split(",")
    assert fields[6] == " "
    assert fields[10:] == ["      ", "     \n"]


def test_what_was_normalised_is_recorded() -> None:
    kind = kind_named("address_changes")
    changed = record(kind, veteran_name="José", address1="1 A, B", city="X\r\nY")
    checked = check(kind, frame([changed]))
    assert set(zip(checked.findings["field"], checked.findings["code"], strict=True)) == {
        ("veteran_name", "accents_removed"),
        ("address1", "comma_replaced"),
        ("city", "line_break_replaced"),
    }
    assert checked.quarantined_ids.empty


def test_no_records_make_an_empty_file() -> None:
    for kind in KINDS:
        empty = frame([record(kind)]).iloc[:0]
        assert render(kind, check(kind, empty).records) == b""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_parts_make_the_file_that_the_whole_makes(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    optional = [column.name for column in kind.columns if not column.is_required]
    odd = ("", " 1", "x" * 30)  # a part may be of one of them, or of two
    records = [
        record(kind, ssn=str(910_000_000 + number), **dict.fromkeys(optional, odd[number // 3]))
        for number in range(9)
    ]
    checked = check(kind, frame(records)).records
    whole = render(kind, checked)
    monkeypatch.setattr(parallel, "ROWS", 2)
    monkeypatch.setattr(parallel, "WORTHWHILE", 0)
    assert render(kind, checked) == whole
    assert whole.count(b"\n") == len(set(whole.splitlines())) == len(records)
    monkeypatch.setattr(parallel, "CHARACTERS", 100)
    assert split_lines(whole).to_pylist() == whole.decode().splitlines()


def test_lines_that_end_early_have_no_later_fields() -> None:
    fields = parse(kind_named("verifications"), pa.array(["PMLINDE77910", ""]))
    assert fields["stub_nm"].to_pylist() == ["PMLINDE", None]
    assert fields["indicator"].to_pylist() == [None, None]


def test_every_personal_column_is_declared_sensitive() -> None:
    public = {"transact_date", "rpo_code", "indicator", "source_ind"}
    for kind in KINDS:
        assert {column.name for column in kind.columns if not column.is_sensitive} <= public


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'letters' is not a kind"):
        kind_named("letters")
