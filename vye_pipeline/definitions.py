"""The one place where Dagster's objects are put together, with resources chosen from settings."""

from __future__ import annotations

import warnings
from datetime import date

import dagster as dg

from vye_pipeline.alerting.metrics import Metrics, open_metrics
from vye_pipeline.alerting.notifier import Notifier, open_notifier
from vye_pipeline.context import Context
from vye_pipeline.orchestration.assets.egress import (
    delivery_asset,
    export_ready_asset,
    upload_file_asset,
)
from vye_pipeline.orchestration.assets.feed import wave_feed_asset
from vye_pipeline.orchestration.assets.page import analysts_page_asset
from vye_pipeline.orchestration.assets.preview import preview_asset
from vye_pipeline.orchestration.assets.reconciliation import (
    acknowledgement_asset,
    manual_reconciliation_asset,
    reconciliation_asset,
)
from vye_pipeline.orchestration.executor import load_executor
from vye_pipeline.orchestration.io_manager import LedgerReader
from vye_pipeline.orchestration.jobs import EGRESS_JOB, RECONCILE_JOB
from vye_pipeline.orchestration.overdue import overdue_check, overdue_sensor
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.resources import (
    CLOCK,
    METRICS,
    NOTIFIER,
    PIPELINE,
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
from vye_pipeline.private_files import make_files_private
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings

STAGES = (
    export_ready_asset,
    upload_file_asset,
    delivery_asset,
    acknowledgement_asset,
    reconciliation_asset,
)


def build_definitions(
    pipeline: Context,
    clock: Clock | None = None,
    notifier: Notifier | None = None,
    metrics: Metrics | None = None,
) -> dg.Definitions:
    """Puts everything together; production, tests and the demo share this assembly.

    Args:
        pipeline: databases, stores and the settings that say which days there are.
        clock: the time; by default the one that all machines share (Context.now).
        notifier: where alerts go; by default where the settings say.
        metrics: where gauges go; by default where the settings say.
    """
    clock = clock or Clock(pipeline.now)
    partitions = business_day_partitions(pipeline.settings, _days_on_record(pipeline.settings))
    with warnings.catch_warnings():
        # Dagster 1.13 calls partitioned checks and backfill policies unfinished; both are needed.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.filterwarnings("ignore", ".*`backfill_policy`", dg.BetaWarning)
        assets = [stage(kind, partitions) for kind in KINDS for stage in STAGES]
        return dg.Definitions(
            assets=[
                *assets,
                wave_feed_asset(partitions),
                manual_reconciliation_asset(partitions),
                analysts_page_asset(),
                preview_asset(),
            ],
            asset_checks=[overdue_check(kind) for kind in KINDS],
            jobs=[EGRESS_JOB, RECONCILE_JOB],
            schedules=[
                egress_schedule(partitions, pipeline),
                retry_schedule(partitions, pipeline),
                unsettled_schedule(partitions, pipeline),
            ],
            sensors=[
                acknowledgement_sensor(partitions, pipeline),
                failed_egress_sensor(pipeline),
                overdue_sensor(pipeline),
                watch_sensor(pipeline),
            ],
            executor=load_executor(pipeline.settings),
            resources={
                PIPELINE: pipeline,
                CLOCK: clock,
                "io_manager": LedgerReader(pipeline, clock),
                NOTIFIER: notifier or open_notifier(pipeline.settings),
                METRICS: metrics or open_metrics(pipeline.settings),
            },
        )


def _days_on_record(settings: Settings) -> list[date]:
    """Returns the days of the ledger; nothing is loaded for one that isn't there yet."""
    if settings.ledger_url is None and not (settings.folder / "ledger.db").exists():
        return []
    from vye_pipeline.ledger.days import days_on_record_if_readable

    return days_on_record_if_readable(settings)


make_files_private()  # a code server or a run begins here
defs = build_definitions(Context(load_settings()))
