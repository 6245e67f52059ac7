"""What Dagster's own history says of the egress: which runs a day has, and which ended unheard."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from vye_pipeline.orchestration.failures import POSTPONED
from vye_pipeline.orchestration.jobs import EGRESS, EGRESS_STAGES
from vye_pipeline.records import KINDS

ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
LOOKED_AT_ONCE = 200
OVERLAP = timedelta(seconds=1)  # runs that ended at the moment of the last look are seen again


def day_of(run: dg.DagsterRun) -> date | None:
    """Returns the partition of a run, None if it has none."""
    try:
        return date.fromisoformat(run.tags.get(PARTITION_NAME_TAG, ""))
    except ValueError:
        return None


def egress_kinds(run: dg.DagsterRun) -> set[str]:
    """Returns the kinds of which a run executes a stage of the egress, whatever job it is of."""
    if run.asset_selection:
        return {key.path[0] for key in run.asset_selection if key.path[-1] in EGRESS_STAGES}
    return {kind.name for kind in KINDS} if run.job_name == EGRESS else set()


def postponed_kinds(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """Returns the kinds whose step was postponed: it has not failed."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    events = [record.event_log_entry.dagster_event for record in records.records]
    return {
        (event.step_key or "").split("__")[0]
        for event in events
        if event is not None
        and (said := event.step_failure_data.user_failure_data) is not None
        and POSTPONED in said.metadata
    }


def egress_runs(instance: dg.DagsterInstance, day: date) -> dict[str, dg.DagsterRun]:
    """Returns the newest run of any stage of the egress of each kind of a day."""
    newest: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_NAME_TAG: day.isoformat()})):
        for kind in egress_kinds(run):
            newest.setdefault(kind, run)
    return newest


def ended_egress_runs(
    instance: dg.DagsterInstance, since: datetime | None
) -> tuple[list[dg.DagsterRun], datetime | None]:
    """Returns egress runs that failed or were canceled, in the order of their ends.

    Args:
        instance: of whose runs.
        since: what this function returned the last time.

    Returns:
        The runs, and up to when all have been looked at.
    """
    records = instance.get_run_records(
        dg.RunsFilter(statuses=ENDED, updated_after=since - OVERLAP if since else None),
        limit=LOOKED_AT_ONCE,
        order_by="update_timestamp",
        ascending=True,
    )
    runs = [one.dagster_run for one in records if egress_kinds(one.dagster_run)]
    return runs, records[-1].update_timestamp if records else since
