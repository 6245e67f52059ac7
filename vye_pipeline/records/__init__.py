"""What a veteran submits: one module a kind, each one declaration. No I/O, no clock."""

from __future__ import annotations

from vye_pipeline.errors import UsageError
from vye_pipeline.records.address_change import ADDRESS_CHANGES
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.records.kind import Column, Field, Kind
from vye_pipeline.records.verification import VERIFICATIONS

__all__ = ["ADDRESS_CHANGES", "KINDS", "VERIFICATIONS", "Column", "Field", "Kind", "kind_named"]

KINDS: tuple[Kind, ...] = (VERIFICATIONS, DIRECT_DEPOSIT_CHANGES, ADDRESS_CHANGES)


def kind_named(name: str) -> Kind:
    """Returns a kind by its name.

    Raises:
        UsageError: there is none of that name.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in KINDS)
    raise UsageError(f"{name!r} is not a kind: give one of {known}")
