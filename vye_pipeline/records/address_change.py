"""Address changes that a veteran made in the web application. 12 fields for NEWMAN."""

from __future__ import annotations

from vye_pipeline.records import encoding, rules
from vye_pipeline.records.kind import Column, Field, Kind

ADDRESS_CHANGES = Kind(
    name="address_changes",
    title="Address changes",
    table="vye_address_changes",
    file_name="CHGADD%Y%m%d%H%M%S.txt",
    separator=",",
    columns=(
        Column("rpo_code", "user_info", is_required=True),
        Column("indicator", "user_info", is_required=True),
        Column(
            "ssn",
            "identity",
            (rules.SSN, rules.NOT_ZEROS),
            is_required=True,
            is_sensitive=True,
            content="code",
        ),
        Column("file_number", "user_info", is_sensitive=True),
        Column("veteran_name", is_required=True, is_sensitive=True),
        Column("address1", is_required=True, is_sensitive=True),
        Column("address2", is_sensitive=True),
        Column("address3", is_sensitive=True),
        Column("address4", is_sensitive=True),
        Column("city", is_required=True, is_sensitive=True),
        Column("state", is_sensitive=True),
        Column("zip_code", is_sensitive=True),
    ),
    fields=(
        Field("rpo_code", "rpo_code", 3),
        Field("indicator", "indicator", 1),
        Field("ssn", "ssn", 9, encoding.ssn),
        Field("file_number", "file_number", 9),
        Field("veteran_name", "veteran_name", 20),
        Field("address1", "address1"),
        Field("address2", "address2"),
        Field("address3", "address3"),
        Field("address4", "address4"),
        Field("city", "city"),
        Field("state", "state", 6),
        Field("zip_code", "zip_code", 5),
    ),
    identity=("ssn", "file_number"),
    origin="frontend",
)
