"""How an asset's value reaches the next one: through the ledger and the encrypted snapshots.

Each step keeps its own outcome before the ledger names it, so that a crash between the two loses
nothing; what is left to Dagster is to fetch what the ledger names. Personal data so never lies in
Dagster's storage (architecture.md, rule 7), and a step can be run alone, days later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg

from vye_pipeline.records import Kind, kind_named
from vye_pipeline.world import World


class LedgerIOManager(dg.IOManager):
    """Fetches what the ledger names for an asset's partition."""

    def __init__(self, world: World) -> None:
        """Takes the world that the assets work on."""
        self._world = world

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Does nothing: the step has kept its outcome itself."""

    def load_input(self, context: dg.InputContext) -> object:
        """Loads an upstream asset's value of the same partition."""
        kind, stage = context.asset_key.path
        day = date.fromisoformat(context.asset_partition_key)
        return _loaders()[stage](self._world, day, kind_named(kind))


def _loaders() -> dict[str, Callable[[World, date, Kind], Any]]:
    """Returns by stage what loads its value; only a step that runs needs them."""
    from vye_pipeline.egress import load_export_ready, load_upload_file
    from vye_pipeline.reconciliation.reconcile import load_acknowledgements

    return {
        "export_ready": load_export_ready,
        "upload_file": load_upload_file,
        "acknowledgement": load_acknowledgements,
    }
