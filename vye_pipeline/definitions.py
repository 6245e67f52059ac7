"""The one place where Dagster's objects are put together, with resources chosen from settings."""

from __future__ import annotations

import warnings

import dagster as dg

from vye_pipeline.orchestration.assets.egress import (
    delivery_asset,
    export_ready_asset,
    upload_file_asset,
)
from vye_pipeline.orchestration.assets.feed import wave_feed_asset
from vye_pipeline.orchestration.assets.reconciliation import (
    acknowledgement_asset,
    manual_reconciliation_asset,
    reconciliation_asset,
)
from vye_pipeline.orchestration.jobs import EGRESS_JOB, RECONCILE_JOB
from vye_pipeline.orchestration.metrics import Metrics, open_metrics
from vye_pipeline.orchestration.notifier import Notifier, open_notifier
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.resources import (
    CLOCK,
    METRICS,
    NOTIFIER,
    WORLD,
    Clock,
)
from vye_pipeline.orchestration.schedules import (
    egress_schedule,
    retry_schedule,
    unsettled_schedule,
)
from vye_pipeline.orchestration.sensors import (
    acknowledgement_sensor,
    failed_egress_sensor,
    watch_sensor,
)
from vye_pipeline.records import KINDS
from vye_pipeline.settings import load_settings
from vye_pipeline.world import World

STAGES = (
    export_ready_asset,
    upload_file_asset,
    delivery_asset,
    acknowledgement_asset,
    reconciliation_asset,
)


def build_definitions(
    world: World,
    clock: Clock | None = None,
    notifier: Notifier | None = None,
    metrics: Metrics | None = None,
) -> dg.Definitions:
    """Puts everything together; production, tests and the demo share this assembly.

    Args:
        world: databases, stores and the settings that say which days there are.
        clock: the time; the real one by default.
        notifier: where alerts go; by default where the settings say.
        metrics: where gauges go; by default where the settings say.
    """
    partitions = business_day_partitions(world.settings)
    with warnings.catch_warnings():
        # Partitioned checks are in preview in Dagster 1.13; they are what this project needs.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = [stage(kind, partitions) for kind in KINDS for stage in STAGES]
        return dg.Definitions(
            assets=[*assets, wave_feed_asset(partitions), manual_reconciliation_asset(partitions)],
            jobs=[EGRESS_JOB, RECONCILE_JOB],
            schedules=[
                egress_schedule(partitions, world),
                retry_schedule(world),
                unsettled_schedule(partitions, world),
            ],
            sensors=[
                acknowledgement_sensor(partitions, world),
                failed_egress_sensor(world),
                watch_sensor(world),
            ],
            resources={
                WORLD: world,
                CLOCK: clock or Clock(),
                NOTIFIER: notifier or open_notifier(world.settings),
                METRICS: metrics or open_metrics(world.settings),
            },
        )


defs = build_definitions(World(load_settings()))
