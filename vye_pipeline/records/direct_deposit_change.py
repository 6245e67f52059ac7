"""Direct deposit changes: a veteran's new bank account. 14 fields for NEWMAN."""

from __future__ import annotations

from vye_pipeline.records import encoding, rules
from vye_pipeline.records.kind import Column, Field, Kind

DIRECT_DEPOSIT_CHANGES = Kind(
    name="direct_deposit_changes",
    title="Direct deposit changes",
    table="vye_direct_deposit_changes",
    file_name="DirDep%Y%m%d%H%M%S.txt",
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
        Column("full_name", is_required=True, is_sensitive=True),
        Column("phone", is_required=True, is_sensitive=True, content="phone"),
        Column("phone2", is_sensitive=True, content="phone"),
        Column("email", rules=(rules.EMAIL,), is_required=True, is_sensitive=True, content="email"),
        Column(
            "acct_no",
            rules=(rules.ACCT_NO, rules.NOT_ZEROS),
            is_required=True,
            is_sensitive=True,
            content="code",
        ),
        Column(
            "acct_type",
            rules=(rules.ACCT_TYPE,),
            is_required=True,
            is_sensitive=True,
            content="code",
        ),
        Column(
            "routing_no",
            rules=(rules.ROUTING_NO, rules.ROUTING_CHECK_DIGIT, rules.NOT_ZEROS),
            is_required=True,
            is_sensitive=True,
            content="code",
        ),
        Column("bank_name", is_required=True, is_sensitive=True),
        Column("bank_phone", is_required=True, is_sensitive=True, content="phone"),
    ),
    fields=(
        Field("rpo_code", "rpo_code", 3),
        Field("indicator", "indicator", 1),
        Field("ssn", "ssn", 9, encoding.ssn),
        Field("file_number", "file_number", 9),
        Field("full_name", "full_name", 20),
        Field("phone", "phone", encode=encoding.phone),
        Field("phone2", "phone2", encode=encoding.phone),
        Field("email", "email"),
        Field("acct_no", "acct_no"),
        Field("acct_type", "acct_type", 1, encoding.acct_type),
        Field("routing_no", "routing_no", 8, encoding.routing_number_body),
        Field("routing_check_digit", "routing_no", 1, encoding.routing_number_check_digit),
        Field("bank_name", "bank_name"),
        Field("bank_phone", "bank_phone", encode=encoding.phone),
    ),
    identity=("ssn", "file_number"),
)
