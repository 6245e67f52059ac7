"""Why VYE has closed no clone: that it was told not to, or something else."""

from __future__ import annotations

from contextlib import suppress

from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.vye_database.processing_flag import SWITCHED_OFF, is_switched_off


def why_not_closed(context: Context, otherwise: str) -> str:
    """Says that BDN processing is switched off in VYE, if it is.

    Args:
        context: VYE's database.
        otherwise: what is said where it is not, or nobody can tell.
    """
    with suppress(PipelineError):
        if is_switched_off(context.vye, context.vye_engine):
            return SWITCHED_OFF
    return otherwise
