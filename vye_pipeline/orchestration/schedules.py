"""When days run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

import dagster as dg

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.orchestration.history import delivery_runs
from vye_pipeline.orchestration.jobs import EGRESS, EGRESS_STAGES, RECONCILE, asset_keys
from vye_pipeline.orchestration.partitions import DATE_FORMAT
from vye_pipeline.records import KINDS

Requested = dg.RunRequest | list[dg.RunRequest] | dg.SkipReason
EVERY_FIVE_MINUTES = ("45-55/5 5 * * 1-5", "*/5 6-23 * * 1-5")


def egress_schedule(
    partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context
) -> dg.ScheduleDefinition:
    """Returns the schedule that starts a day's egress once VYE has activated the day's clone."""

    def requested(today: date, instance: dg.DagsterInstance) -> Requested:
        key = today.strftime(DATE_FORMAT)
        if not partitions.has_partition_key(key):
            return dg.SkipReason(_no_partition(pipeline, today))
        reason = _not_activated(pipeline, today)
        if reason:
            return dg.SkipReason(reason)
        begun = _begun(pipeline, instance, today)
        kinds = tuple(kind.name for kind in KINDS if kind.name not in begun)
        if not kinds:
            return dg.SkipReason("; ".join(f"{kind} of {today}: {begun[kind]}" for kind in begun))
        return dg.RunRequest(
            run_key=key, partition_key=key, asset_selection=asset_keys(EGRESS_STAGES, kinds)
        )

    return _on_business_days(
        pipeline,
        requested,
        name="egress_when_activated",
        job_name=EGRESS,
        cron_schedule=EVERY_FIVE_MINUTES,
        description="From 05:45 New York on business days, every five minutes: starts the day's "
        "egress, once, when VYE has activated the clone that it imported that day. A federal "
        "holiday is skipped by name. From 06:45 the sensor `watch` says that a day is late.",
    )


def retry_schedule(
    partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context
) -> dg.ScheduleDefinition:
    """Returns the schedule that tries failed partitions again, before VYE's next activation."""

    def requested(today: date, _: dg.DagsterInstance) -> Requested:
        requests = [
            dg.RunRequest(
                run_key=f"{day} retried on {today}",
                partition_key=day.strftime(DATE_FORMAT),
                asset_selection=asset_keys(EGRESS_STAGES, kinds),
            )
            for day, kinds in _failed(pipeline, today)
            if partitions.has_partition_key(day.strftime(DATE_FORMAT))
        ]
        return requests or dg.SkipReason("no partition of the last business days has failed")

    return _on_business_days(
        pipeline,
        requested,
        name="retry_before_cut_off",
        job_name=EGRESS,
        cron_schedule="15 5 * * 1-5",
        description="05:15 New York on business days: failed partitions of the last business days "
        "(VYE_RETRY_BUSINESS_DAYS) are tried again, oldest first, so that an outage heals by "
        "itself the next morning.",
    )


def unsettled_schedule(
    partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context
) -> dg.ScheduleDefinition:
    """Returns the schedule that reconciles every partition that isn't settled."""

    def requested(today: date, _: dg.DagsterInstance) -> Requested:
        days = [day.strftime(DATE_FORMAT) for day in _unsettled(pipeline)]
        requests = [
            dg.RunRequest(run_key=f"{day} unsettled on {today}", partition_key=day)
            for day in days
            if partitions.has_partition_key(day)
        ]
        return requests or dg.SkipReason("every partition is settled")

    return _on_business_days(
        pipeline,
        requested,
        name="reconcile_unsettled",
        job_name=RECONCILE,
        cron_schedule="0 8 * * 1-5",
        description="08:00 New York on business days: every partition with a pending or "
        "undelivered record is reconciled, so that what BDN has not answered by its deadline "
        "becomes missing though nothing arrives.",
    )


def _on_business_days(
    pipeline: Context,
    requested: Callable[[date, dg.DagsterInstance], Requested],
    *,
    name: str,
    job_name: str,
    cron_schedule: str | Sequence[str],
    description: str,
) -> dg.ScheduleDefinition:
    """Returns a schedule in New York that skips holidays and, once BDN is retired, says so."""

    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule=cron_schedule,
        execution_timezone=str(NEW_YORK),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def evaluated(context: dg.ScheduleEvaluationContext) -> Requested:
        today = context.scheduled_execution_time.astimezone(NEW_YORK).date()
        reason = _no_business(pipeline, today)
        return dg.SkipReason(reason) if reason else requested(today, context.instance)

    return evaluated


def _no_business(pipeline: Context, today: date) -> str | None:
    """Says why there is nothing to do on a day at all."""
    holiday = pipeline.settings.calendar.holiday_name(today)
    if holiday is not None:
        return f"{today} is no business day: {holiday}"
    return _retired(pipeline, today)


def _no_partition(pipeline: Context, today: date) -> str:
    last = pipeline.settings.end_date
    if today < pipeline.settings.start_date or (last and today > last):
        return f"{today} is no partition: see VYE_START_DATE and VYE_END_DATE"
    return f"{today} is no partition: start the code location anew, its calendar is out of date"


def _retired(pipeline: Context, today: date) -> str | None:
    last = pipeline.settings.end_date
    if last is None or today <= last:
        return None
    if _unsettled(pipeline):
        return None
    return f"BDN is retired: the last partition was {last}, and every one is settled"


def _unsettled(pipeline: Context) -> list[date]:
    from vye_pipeline.ledger.news import unsettled_days

    return pipeline.ledger.read(unsettled_days)


def _not_activated(pipeline: Context, today: date) -> str | None:
    from vye_pipeline.egress.activation import is_activated, why_not_activated

    try:
        activated = is_activated(pipeline, today)
    except PipelineError as error:
        return str(error)
    if activated:
        return None
    return why_not_activated(pipeline, f"VYE has not activated the clone of {today} yet")


def _begun(pipeline: Context, instance: dg.DagsterInstance, day: date) -> dict[str, str]:
    """Returns the kinds of a day that need no start, and why: the schedule starts each once.

    Dagster starts a run for each request of a schedule, whatever its run key.
    """
    from vye_pipeline.ledger.news import delivered_kinds, failed_files

    delivered, failed = pipeline.ledger.read(
        lambda connection: (delivered_kinds(connection, day), failed_files(connection))
    )
    begun = {
        kind: f"run {run.run_id[:8]} is {run.status.value.lower()}"
        for kind, run in delivery_runs(instance, day).items()
        if run.status != dg.DagsterRunStatus.SUCCESS  # then the ledger knows best
    }
    begun |= {one.kind: "failed" for one in failed if one.partition_date == day}
    return begun | dict.fromkeys(delivered, "delivered")


def _failed(pipeline: Context, today: date) -> Iterator[tuple[date, tuple[str, ...]]]:
    """Yields the failed partitions of the last business days and their kinds, oldest first."""
    from vye_pipeline.ledger.days import days_on_record
    from vye_pipeline.reporting.calendar import FAILED, calendar

    count = pipeline.settings.retry_business_days
    first = pipeline.settings.calendar.business_days_after(today, -count)
    last = today - timedelta(days=1)
    known = pipeline.ledger.read(
        lambda connection: calendar(connection, days_on_record(connection, first, last))
    )
    rows = [row for row in known if row.delivery == FAILED]
    for day, group in groupby(rows, key=lambda row: row.partition_date):
        yield day, tuple(row.kind for row in group)
