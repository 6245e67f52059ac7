"""A hostile text does nothing anywhere, and an honest one comes out as it went in."""

from __future__ import annotations

import csv
import unicodedata
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.outlets import Outlet, let_out

HOSTILE = '=HYPERLINK("http://evil.example")\x1b[2J\x9b31m\u202e\u2066<!channel><script>&\r\nERROR\x00\u2028'
TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from([HOSTILE, "\ud800"])


@given(TEXTS, st.sampled_from(Outlet))
def test_nothing_unseen_gets_out(text: str, outlet: Outlet) -> None:
    let = let_out(text, outlet)
    if outlet is Outlet.SLACK:
        let = let.replace("\n", "")
    assert not {unicodedata.category(one) for one in let} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(TEXTS)
def test_no_cell_is_a_formula(text: str) -> None:
    file = StringIO()
    csv.writer(file).writerow([let_out(text, Outlet.CSV)])
    ((cell,),) = csv.reader(StringIO(file.getvalue()))
    assert not unicodedata.normalize("NFKC", cell).lstrip().startswith(("=", "+", "-", "@"))


@given(TEXTS)
def test_no_tag_and_no_mention_gets_out(text: str) -> None:
    for outlet in (Outlet.SLACK, Outlet.HTML):
        let = let_out(text, outlet)
        assert "<" not in let
        assert ">" not in let


@pytest.mark.parametrize("outlet", Outlet)
def test_an_honest_text_stays(outlet: Outlet) -> None:
    text = "José Muñoz: R014, address changed, 12 records, 東京"
    assert let_out(text, outlet) == text
