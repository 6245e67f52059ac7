"""Assets as values: read from the ledger, never from a pickle, and never personal data.

Steps hand nothing to each other through Dagster (assets/egress.py), so there is nothing to store.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from vye_pipeline.context import Context
from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.resources import Clock

if TYPE_CHECKING:
    import pandas as pd

FRAMES = {"delivery", "reconciliation", "manual_reconciliation"}
PERSONAL = {"export_ready", "upload_file", "acknowledgement", "wave_feed"}


class LedgerReader(dg.IOManager):
    """Loads assets as the frames that docs/analysts.md describes; stores none."""

    def __init__(self, pipeline: Context, clock: Clock) -> None:
        """Takes the ledger's context, and the time by which waiting is counted."""
        self._pipeline = pipeline
        self._clock = clock

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Returns the frame of an asset's partition, or of a range of partitions.

        Raises:
            UsageError: the asset holds personal data, or no partition was named.
            PipelineError: the ledger can't be read.
        """
        from vye_pipeline.reporting import frames

        *kind, stage = context.asset_key.path
        if stage in PERSONAL:
            raise UsageError(
                f"{'/'.join(context.asset_key.path)} holds personal data, which is kept encrypted "
                "and loaded by the pipeline's own steps only: load reconciliation or "
                "manual_reconciliation, which name records by their ids"
            )
        if stage not in FRAMES:
            raise UsageError(f"{'/'.join(context.asset_key.path)} is no table: open its page")
        if not context.has_asset_partitions:
            raise UsageError("name a business day: partition_key, or partition_key_range")
        days = [date.fromisoformat(key) for key in context.asset_partition_keys]
        if stage == "manual_reconciliation":
            return frames.manual_reconciliation(self._pipeline, days, self._clock.now())
        read = frames.delivery if stage == "delivery" else frames.reconciliation
        return read(self._pipeline, kind[0], days[0], days[-1])

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuses to store anything: a step keeps what it makes itself.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{context.step_key} returned a value: steps keep theirs themselves")
