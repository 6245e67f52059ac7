"""The two jobs: egress takes a day out to BDN, reconcile finds out what became of it."""

from __future__ import annotations

import dagster as dg

from vye_pipeline.records import KINDS

EGRESS, RECONCILE = "egress", "reconcile"
EGRESS_STAGES = ("export_ready", "upload_file", "delivery")
RECONCILE_STAGES = ("acknowledgement", "reconciliation")
OF_NO_KIND = (dg.AssetKey("wave_feed"), dg.AssetKey("manual_reconciliation"))

# The instance runs what has this tag one at a time, in the order of the requests: days go out
# oldest first, also when the schedule or the UI asks for many at once (dagster.yaml).
ONE_AT_A_TIME = {"vye/one_at_a_time": EGRESS}


def asset_keys(stages: tuple[str, ...], kinds: tuple[str, ...]) -> list[dg.AssetKey]:
    """Returns the keys of some stages of some kinds."""
    return [dg.AssetKey([kind, stage]) for kind in kinds for stage in stages]


_ALL = tuple(kind.name for kind in KINDS)

EGRESS_JOB = dg.define_asset_job(
    EGRESS,
    selection=dg.AssetSelection.assets(*asset_keys(EGRESS_STAGES, _ALL)),
    executor_def=dg.in_process_executor,
    tags=ONE_AT_A_TIME,
    description="Reads, renders and delivers a business day's three files. The kinds are "
    "independent: one may fail while the others are delivered.",
)
RECONCILE_JOB = dg.define_asset_job(
    RECONCILE,
    selection=dg.AssetSelection.assets(*asset_keys(RECONCILE_STAGES, _ALL), *OF_NO_KIND),
    executor_def=dg.in_process_executor,
    description="Reads BDN's acknowledgements of a business day, gives every record its "
    "status, reads the night's feed, and lists the user profiles that need a person.",
)
