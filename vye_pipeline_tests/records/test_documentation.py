"""The page about BDN's files says what the declarations say."""

from __future__ import annotations

import pytest

from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.documentation import field_table
from vye_pipeline.settings import CHECKOUT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_page_has_the_fields_as_they_are_declared(kind: Kind) -> None:
    page = (CHECKOUT / "docs" / "bdn-interface.md").read_text(encoding="utf-8")
    assert field_table(kind) in page
