"""Typed values: what goes out and what is held back, against an oracle and as met in the field."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.records.checking import check
from vye_pipeline.records.kind import Content
from vye_pipeline.records.layout import render
from vye_pipeline.records.normalisation import MEANINGS, normalise
from vye_pipeline_tests.records.test_records import frame, record
from vye_pipeline_tests.records.typed_values import ACCIDENTS, typed_values
from vye_pipeline_tests.records.value_oracle import sendable

AS_MET = json.loads(Path(__file__).with_name("values_as_met.json").read_text(encoding="utf-8"))
LEAST_VALUES = 755


def typed(kind: Kind) -> list[tuple[str, str]]:
    names = {column.name for column in kind.columns}
    return [(name, value) for name, value in typed_values() if name in names]


def test_the_corpus_is_large() -> None:
    assert len(list(typed_values())) >= LEAST_VALUES


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_typed_value_is_sent_or_held_back_as_the_page_says(kind: Kind) -> None:
    values = typed(kind)
    checked = check(kind, frame([record(kind, **{name: value}) for name, value in values]))
    held = set(checked.quarantined_ids)
    found = [
        None if number in held else checked.records.loc[number - 1, name]
        for number, (name, _) in enumerate(values, start=1)
    ]
    is_separated = not kind.is_fixed_width
    expected = [sendable(name, value, is_separated=is_separated) for name, value in values]
    differing = [
        (name, value, one, other)
        for (name, value), one, other in zip(values, found, expected, strict=True)
        if one != other
    ]
    assert differing == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_goes_out_other_than_it_was_typed_has_a_finding(kind: Kind) -> None:
    values = typed(kind)
    checked = check(kind, frame([record(kind, **{name: value}) for name, value in values]))
    changes = checked.findings[~checked.findings["is_quarantining"]]
    assert set(changes["code"]) <= set(MEANINGS)
    named = set(zip(changes["record_id"], changes["field"], strict=True))
    for number, (name, value) in enumerate(values, start=1):
        content = kind.column(name).content
        if content != "phone":
            is_changed = checked.records.loc[number - 1, name] != value
            assert ((number, name) in named) == is_changed, (name, value)


TEXTS = st.text(st.sampled_from("aE1 ,'" + "".join(ACCIDENTS.values())), max_size=8)


@given(
    values=st.lists(TEXTS, max_size=6), content=st.sampled_from(["text", "code", "email", "phone"])
)
def test_to_normalise_twice_changes_nothing(values: list[str], content: Content) -> None:
    once, _ = normalise(pa.array(values, pa.string()), content, ",")
    twice, changes = normalise(once, content, ",")
    assert twice.to_pylist() == once.to_pylist()
    assert changes == []


@pytest.mark.parametrize("case", AS_MET, ids=lambda case: f"{case['label']}-{case['kind']}")
def test_values_as_met(case: dict[str, object]) -> None:
    kind = kind_named(str(case["kind"]))
    values = pd.DataFrame([case["columns"]]).assign(record_id=1)
    checked = check(kind, values)
    found = checked.findings
    faults = found[found["is_quarantining"]]
    changes = found[~found["is_quarantining"]]
    line = None if len(faults) else render(kind, checked.records).decode().rstrip("\n")
    assert line == case["line"]
    assert faults[["field", "code"]].to_numpy().tolist() == case["faults"]
    assert changes[["field", "code"]].to_numpy().tolist() == case["changes"]
