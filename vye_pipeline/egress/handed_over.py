"""Keeps other files of a kind from being sent while one is being handed over to BDN.

BDN may have that file already, or never get it. Another day's file, sent meanwhile, might overtake
records in it, or be overtaken.
"""

from __future__ import annotations

from datetime import date

from vye_pipeline.context import Context
from vye_pipeline.errors import upload_error
from vye_pipeline.records import Kind


def refuse_while_handed_over(
    context: Context, kind: Kind, partition_date: date | None = None
) -> None:
    """Ends a step while a file of the kind is being handed over.

    Args:
        context: the ledger.
        kind: of the records.
        partition_date: only if it is this one's; None for any.

    Raises:
        PipelineError: upload: which file, since when, and how to decide it.
    """
    begun = context.ledger.open_hand_over(kind)
    if begun is not None and partition_date in (None, begun.partition_date):
        raise upload_error(
            f"the {begun.in_words()}, and no other file of that kind is sent meanwhile",
            is_transient=False,
            next_step=begun.decide_command(),
        )
