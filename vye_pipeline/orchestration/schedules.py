"""When days run by themselves."""

from __future__ import annotations

import dagster as dg

from vye_pipeline.business_days import NEW_YORK, holiday_name
from vye_pipeline.orchestration.jobs import EGRESS
from vye_pipeline.orchestration.partitions import DATE_FORMAT


def egress_schedule(
    partitions: dg.TimeWindowPartitionsDefinition,
) -> dg.ScheduleDefinition:
    """Returns the schedule that starts the egress at the cut-off of each business day."""

    @dg.schedule(
        name="egress_at_cut_off",
        job_name=EGRESS,
        cron_schedule="45 5 * * 1-5",
        execution_timezone=str(NEW_YORK),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="05:45 New York on business days; a federal holiday is skipped by name.",
    )
    def egress_at_cut_off(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.astimezone(NEW_YORK).date()
        holiday = holiday_name(day)
        if holiday is not None:
            return dg.SkipReason(f"{day} is no business day: {holiday}")
        key = day.strftime(DATE_FORMAT)
        if not partitions.has_partition_key(key):
            return dg.SkipReason(f"{day} is no partition: see VYE_START_DATE and VYE_END_DATE")
        return dg.RunRequest(run_key=key, partition_key=key)

    return egress_at_cut_off
