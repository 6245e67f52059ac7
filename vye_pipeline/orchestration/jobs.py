"""The two jobs: egress takes a day out to BDN, reconcile finds out what became of it."""

from __future__ import annotations

import dagster as dg

from vye_pipeline.records import KINDS

EGRESS, RECONCILE = "egress", "reconcile"
EGRESS_STAGES = ("export_ready", "upload_file", "delivery")
RECONCILE_STAGES = ("acknowledgement", "reconciliation")
OF_NO_KIND = (
    dg.AssetKey("wave_feed"),
    dg.AssetKey("manual_reconciliation"),
    dg.AssetKey("analysts_page"),
)

# Dagster dequeues one run at a time of all that have a step in this pool, however they were
# started; run_queue.py puts the oldest day first.
POOL = EGRESS
ONE_DAY_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def asset_keys(stages: tuple[str, ...], kinds: tuple[str, ...]) -> list[dg.AssetKey]:
    """Returns the keys of some stages of some kinds."""
    return [dg.AssetKey([kind, stage]) for kind in kinds for stage in stages]


_ALL = tuple(kind.name for kind in KINDS)

EGRESS_JOB = dg.define_asset_job(
    EGRESS,
    selection=dg.AssetSelection.assets(*asset_keys(EGRESS_STAGES, _ALL)),
    description="Reads, renders and delivers a business day's three files. The kinds are "
    "independent: one may fail while the others are delivered.",
)
RECONCILE_JOB = dg.define_asset_job(
    RECONCILE,
    selection=dg.AssetSelection.assets(*asset_keys(RECONCILE_STAGES, _ALL), *OF_NO_KIND),
    description="Reads BDN's acknowledgements of a business day, gives every record its "
    "status, reads the night's feed, lists the user profiles that need a person, and rewrites "
    "the analysts' page.",
)
