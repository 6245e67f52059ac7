"""A rule that catches an implausible share of a day's records: a gap in the source.

Nothing is sent then, nothing is frozen; what was read stays claimed, so that `vye affected` names
it, and is read again by the next try.
"""

from __future__ import annotations

from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.egress.export import egress_command
from vye_pipeline.errors import UsageError, source_error
from vye_pipeline.ledger.gaps import Caught
from vye_pipeline.records import Kind
from vye_pipeline.records.rules import PLACES, REQUIRED, in_words

MANY = 20
ALL_OF_FEW = 3
OFF = 1.0


def refuse_gap(context: Context, partition_date: date, kind: Kind) -> None:
    """Refuses a partition of which one rule of one field catches too many records.

    Raises:
        PipelineError: source: the field, the rule, how many it catches, and the likely cause.
    """
    gaps = _gaps(context, partition_date, kind)
    if gaps:
        first = gaps[0]
        raise source_error(
            f"{first.records} of {first.of} records are caught by one rule, so nothing is sent: "
            f"{in_words(first.code, first.field)} (rule {first.code}); "
            f"likely {_likely_cause(kind, first)}",
            is_transient=False,
            next_step=f"have the source set right, then {egress_command(partition_date, kind)}; "
            'if it is right, add --accept-quarantine "reason"',
        )


def accept_gap(
    context: Context,
    partition_date: date,
    kind: Kind,
    *,
    accepted_by: str,
    reason: str,
    now: datetime,
) -> None:
    """Accepts what the rules have caught of a partition's records at its last try, and not more.

    Args:
        context: databases and stores.
        partition_date: of the records.
        kind: of the records.
        accepted_by: who accepts it.
        reason: why; no personal data.
        now: with zone.

    Raises:
        UsageError: no rule catches too many.
    """
    gaps = _gaps(context, partition_date, kind)
    if not gaps:
        raise UsageError(
            f"no rule catches too many {kind.name} of {partition_date}: "
            f"there is nothing to accept, {egress_command(partition_date, kind)} is enough"
        )
    for gap in gaps:
        context.ledger.accept(
            partition_date, kind, gap, accepted_by=accepted_by, reason=reason, accepted_at=now
        )


def _gaps(context: Context, partition_date: date, kind: Kind) -> list[Caught]:
    """Returns the rules that catch too many, and more than somebody has accepted."""
    share = context.settings.max_quarantined_share
    if share == OFF:
        return []
    return [
        one
        for one in context.ledger.caught(partition_date, kind)
        if one.records > one.accepted
        and (
            (one.records >= MANY and one.records > share * one.of)
            or (one.records >= ALL_OF_FEW and one.records == one.of)
        )
    ]


def _likely_cause(kind: Kind, caught: Caught) -> str:
    if caught.field in PLACES:
        return "rows are missing in VYE's database: its import, or a copy that was cut short"
    owner = kind.column(caught.field).owner
    if owner == "identity":
        return "the identities are missing or were not answered"
    if caught.code == REQUIRED.code:
        return f"an import or export has left the {caught.field} of the {owner} out"
    return f"the {caught.field} of the {owner} is written otherwise than before"
