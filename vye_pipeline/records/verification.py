"""Verifications: a veteran confirms the enrollment. 29 characters for BDN itself."""

from __future__ import annotations

from vye_pipeline.records import encoding, rules
from vye_pipeline.records.kind import Column, Field, Kind

VERIFICATIONS = Kind(
    name="verifications",
    title="Verifications",
    table="vye_verifications",
    file_name="vawave%j",
    separator="",
    columns=(
        Column("stub_nm", "user_info", is_required=True, is_sensitive=True),
        Column(
            "ssn",
            "identity",
            (rules.SSN, rules.NOT_ZEROS),
            is_required=True,
            is_sensitive=True,
            content="code",
        ),
        Column("transact_date", rules=(rules.DATE,), is_required=True),
        Column("rpo_code", "user_info", is_required=True),
        Column("indicator", "user_info", is_required=True),
        Column("source_ind", rules=(rules.SOURCE_IND,), is_required=True, content="code"),
    ),
    fields=(
        Field("stub_nm", "stub_nm", 7),
        Field("td_number", "ssn", 9, encoding.td_number),
        Field("transact_date", "transact_date", 8, encoding.compact_date),
        Field("rpo_code", "rpo_code", 3),
        Field("indicator", "indicator", 1),
        Field("source_ind", "source_ind", 1),
    ),
    identity=("td_number", "stub_nm", "indicator"),
    is_dated=True,
)
