"""When days run by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby

import dagster as dg

from vye_pipeline.business_days import (
    NEW_YORK,
    business_days,
    business_days_after,
    holiday_name,
)
from vye_pipeline.ledger.reports import FAILED, calendar
from vye_pipeline.orchestration.jobs import EGRESS, EGRESS_STAGES, asset_keys
from vye_pipeline.orchestration.partitions import DATE_FORMAT
from vye_pipeline.world import World


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


def retry_schedule(world: World) -> dg.ScheduleDefinition:
    """Returns the schedule that tries failed partitions again, before VYE's next activation."""

    @dg.schedule(
        name="retry_before_cut_off",
        job_name=EGRESS,
        cron_schedule="15 5 * * 1-5",
        execution_timezone=str(NEW_YORK),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="05:15 New York on business days: failed partitions of the last business days "
        "(VYE_RETRY_BUSINESS_DAYS) are tried again, oldest first, so that an outage heals by "
        "itself the next morning.",
    )
    def retry_before_cut_off(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        today = context.scheduled_execution_time.astimezone(NEW_YORK).date()
        holiday = holiday_name(today)
        if holiday is not None:
            return dg.SkipReason(f"{today} is no business day: {holiday}")
        requests = [
            dg.RunRequest(
                run_key=f"{day} retried on {today}",
                partition_key=day.strftime(DATE_FORMAT),
                asset_selection=asset_keys(EGRESS_STAGES, kinds),
            )
            for day, kinds in _failed(world, today)
        ]
        return requests or dg.SkipReason("no partition of the last business days has failed")

    return retry_before_cut_off


def _failed(world: World, today: date) -> Iterator[tuple[date, tuple[str, ...]]]:
    """Yields the failed partitions of the last business days and their kinds, oldest first."""
    first = business_days_after(today, -world.settings.retry_business_days)
    last = business_days_after(today, -1)
    days = list(business_days(max(first, world.settings.start_date), last))
    known = world.ledger.read(lambda connection: calendar(connection, days))
    rows = [row for row in known if row.delivery == FAILED]
    for day, group in groupby(rows, key=lambda row: row.partition_date):
        yield day, tuple(row.kind for row in group)
