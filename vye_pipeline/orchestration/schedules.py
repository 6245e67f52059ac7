"""When days run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import dagster as dg

from vye_pipeline.bdn.file_names import INBOUND
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.orchestration.arrivals import days_with_unknown, partition_of
from vye_pipeline.orchestration.history import ENDED, egress_runs, postponed_kinds
from vye_pipeline.orchestration.jobs import EGRESS, EGRESS_STAGES, RECONCILE, asset_keys
from vye_pipeline.orchestration.partitions import DATE_FORMAT

if TYPE_CHECKING:
    from vye_pipeline.egress.due import Due

Requested = dg.RunRequest | list[dg.RunRequest] | dg.SkipReason
EVERY_FIVE_MINUTES = "*/5 * * * *"


def egress_schedule(
    partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context
) -> dg.ScheduleDefinition:
    """Returns the schedule that starts the days that are due (egress/due.py)."""

    @dg.schedule(
        name="egress_when_activated",
        job_name=EGRESS,
        cron_schedule=EVERY_FIVE_MINUTES,
        execution_timezone=str(NEW_YORK),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every five minutes: a day's records are read and claimed as soon as VYE has "
        "closed a clone for it, at any hour; its files go out from 05:45 New York on, without a "
        "clone of its own four hours later. Each is started once. From 06:45 the sensor `watch` "
        "says that a day is late.",
    )
    def egress_when_activated(context: dg.ScheduleEvaluationContext) -> Requested:
        from vye_pipeline.egress.due import due_days
        from vye_pipeline.egress.membership import record_closings

        now = context.scheduled_execution_time
        try:
            record_closings(pipeline, now)
            due = due_days(pipeline, now)
        except PipelineError as error:
            return dg.SkipReason(str(error))
        begun = {
            one.partition_date: _begun(pipeline, context.instance, one.partition_date)
            for one in due
        }
        return _requests(partitions, due, begun) or dg.SkipReason(
            _why_nothing(partitions, pipeline, now.astimezone(NEW_YORK).date(), begun)
        )

    return egress_when_activated


def _requests(
    partitions: dg.TimeWindowPartitionsDefinition,
    due: Sequence[Due],
    begun: Mapping[date, Mapping[str, str]],
) -> list[dg.RunRequest]:
    """Returns a request for each day that is due, without the kinds that are begun."""
    requests = []
    for one in due:
        key = one.partition_date.strftime(DATE_FORMAT)
        kinds = tuple(kind for kind in one.kinds if kind not in begun[one.partition_date])
        stages = EGRESS_STAGES if one.is_to_be_put else EGRESS_STAGES[:1]
        if kinds and partitions.has_partition_key(key):
            requests.append(
                dg.RunRequest(
                    run_key=f"{key} {stages[-1]}",
                    partition_key=key,
                    asset_selection=asset_keys(stages, kinds),
                )
            )
    return requests


def _why_nothing(
    partitions: dg.TimeWindowPartitionsDefinition,
    pipeline: Context,
    today: date,
    begun: Mapping[date, Mapping[str, str]],
) -> str:
    """Says why no day is started."""
    from vye_pipeline.egress.processing import why_not_closed
    from vye_pipeline.ledger.open_work import delivered_kinds, failed_files

    runs = {reason for reasons in begun.values() for reason in reasons.values()}
    if runs:
        return "; ".join(sorted(runs))
    if reason := _no_business(pipeline, today):
        return reason
    if not partitions.has_partition_key(today.strftime(DATE_FORMAT)):
        return _no_partition(pipeline, today)
    delivered, failed = pipeline.ledger.read(
        lambda connection: (delivered_kinds(connection, today), failed_files(connection))
    )
    states = {one.kind: "failed" for one in failed if one.partition_date == today}
    states |= dict.fromkeys(delivered, "delivered")
    if states:
        return "; ".join(f"{kind} of {today}: {state}" for kind, state in states.items())
    return why_not_closed(pipeline, f"VYE has not activated the clone of {today} yet")


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
        try:
            days = {day.strftime(DATE_FORMAT) for day in _unsettled(pipeline)}
            days |= _unread(partitions, pipeline)
        except PipelineError as error:
            return dg.SkipReason(str(error))
        requests = [
            dg.RunRequest(run_key=f"{day} on {today}", partition_key=day)
            for day in sorted(days)
            if partitions.has_partition_key(day)
        ]
        return requests or dg.SkipReason("every partition is settled, and no answer is unread")

    return _on_business_days(
        pipeline,
        requested,
        name="reconcile_unsettled",
        job_name=RECONCILE,
        cron_schedule="0 8 * * 1-5",
        description="08:00 New York on business days: every partition with a pending or "
        "undelivered record is reconciled, so that what BDN has not answered by its deadline "
        "becomes missing though nothing arrives; and every older one for which something has "
        "arrived that was never read.",
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


def _unread(partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context) -> set[str]:
    """Returns the partitions with an answer or a feed that was never read, however old."""
    from vye_pipeline.ledger.open_work import known_inbound_keys

    known = pipeline.ledger.read(known_inbound_keys)
    unread = days_with_unknown(pipeline.objects.list(INBOUND), known)
    calendar = pipeline.settings.calendar
    keys = (partition_of(day, partitions, calendar) for day in unread)
    return {key for key in keys if key}


def _unsettled(pipeline: Context) -> list[date]:
    from vye_pipeline.ledger.open_work import unsettled_days

    return pipeline.ledger.read(unsettled_days)


def _begun(pipeline: Context, instance: dg.DagsterInstance, day: date) -> dict[str, str]:
    """Returns the kinds of a day that a run is about already, and why: each is started once.

    Dagster starts a run for each request of a schedule, whatever its run key. Of a run that has
    ended the ledger knows best, once it knows of it at all.
    """
    from vye_pipeline.ledger.open_work import failed_kinds

    def is_known(run: dg.DagsterRun, kind: str) -> bool:
        failed = pipeline.ledger.read(lambda connection: failed_kinds(connection, run.run_id))
        return kind in failed | postponed_kinds(instance, run.run_id)

    return {
        kind: f"run {run.run_id[:8]} of {day} is {run.status.value.lower()}"
        for kind, run in egress_runs(instance, day).items()
        if not run.is_finished or (run.status in ENDED and not is_known(run, kind))
    }


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
