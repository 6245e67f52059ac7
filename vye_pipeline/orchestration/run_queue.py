"""The order in which Dagster's queue starts runs: egress first, then older days before newer ones.

dagster.yaml names this coordinator, so that the order holds for all that is queued: by a schedule,
a sensor, a backfill, a retry, or a button of the UI.
"""

from __future__ import annotations

from datetime import date

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    PRIORITY_TAG,
)

from vye_pipeline.orchestration.jobs import POOL

EGRESS_FIRST = date.max.toordinal()


class OldestFirst(QueuedRunCoordinator):
    """Dagster's queue, with a priority for each run of a day."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Gives a run its priority, replacing one that a retry has copied, and queues it.

        It gets the tag of its partition too, where it has none: by that tag runs are limited,
        found, and have their failures recorded.

        Dagster's daemon learns of a pool from the first runs that it finds waiting for it, and
        starts all of these at once: so the pool is made before the first one waits.
        """
        run = context.dagster_run
        storage = self._instance.event_log_storage
        if POOL not in storage.get_concurrency_keys():
            storage.initialize_concurrency_limit_to_default(POOL)
        day = _day(run)
        if day is not None:
            tags = {PARTITION_NAME_TAG: str(day), PRIORITY_TAG: str(_priority(run, day))}
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def _day(run: dg.DagsterRun) -> date | None:
    """Returns the partition of a run; a backfill of assets names it as a range of one."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG, "")
    is_one_day = first == run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    try:
        return date.fromisoformat(run.tags.get(PARTITION_NAME_TAG, first if is_one_day else ""))
    except ValueError:
        return None


def _priority(run: dg.DagsterRun, day: date) -> int:
    """Returns the number by which Dagster sorts its queue, largest first."""
    pools = run.run_op_concurrency.all_pools if run.run_op_concurrency else None
    egress_first = EGRESS_FIRST if POOL in (pools or ()) else 0
    return egress_first + date.max.toordinal() - day.toordinal()
