"""What is looked at each minute: BDN's answers, failed runs, and what people have to know."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial

import dagster as dg

from vye_pipeline.alerting.metrics import OPEN_ALARMS, Metrics
from vye_pipeline.alerting.notifier import Notifier
from vye_pipeline.containment import contained
from vye_pipeline.errors import PipelineError, defect
from vye_pipeline.orchestration.arrivals import (
    arrivals,
    days_that_can_change,
    days_with_unknown,
    listing_of,
    partition_of,
)
from vye_pipeline.orchestration.history import (
    day_of,
    egress_kinds,
    ended_egress_runs,
    postponed_kinds,
)
from vye_pipeline.orchestration.jobs import RECONCILE
from vye_pipeline.orchestration.resources import Clock, Context
from vye_pipeline.records import KINDS

EACH_MINUTE = 60


def acknowledgement_sensor(
    partitions: dg.TimeWindowPartitionsDefinition, pipeline: Context
) -> dg.SensorDefinition:
    """Returns the sensor that reconciles a partition when anything of BDN's arrives for it."""

    @dg.sensor(
        name="acknowledgements_arrive",
        job_name=RECONCILE,
        minimum_interval_seconds=EACH_MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Each minute: a new or replaced acknowledgement or feed starts one reconcile "
        "run of its partition. The last ten business days are looked at, and of the last quarter "
        "the newest twenty that aren't settled; older ones by the schedule `reconcile_unsettled`, "
        "once a day.",
    )
    def acknowledgements_arrive(
        context: dg.SensorEvaluationContext, clock: dg.ResourceParam[Clock]
    ) -> dg.SensorResult | dg.SkipReason:
        from vye_pipeline.ledger.open_work import known_inbound_keys

        try:
            listing = listing_of(pipeline, days_that_can_change(pipeline, clock.now()))
            lying = arrivals(listing, pipeline.snapshots.fingerprint)
            if context.cursor is None:
                known = pipeline.ledger.read(known_inbound_keys)
                changed = days_with_unknown(listing, known)
            else:
                seen = json.loads(context.cursor)
                changed = {day for day, found in lying.items() if seen.get(day) != found}
        except PipelineError as error:
            return dg.SkipReason(str(error))
        calendar = pipeline.settings.calendar
        looked_at_by = {day: partition_of(day, partitions, calendar) for day in lying}
        known_days = {day: lying[day] for day, key in looked_at_by.items() if key}
        requests = [
            dg.RunRequest(run_key=f"{day} {known_days[day]}", partition_key=looked_at_by[day])
            for day in sorted(changed & set(known_days))
        ]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "nothing has arrived from BDN since the last look",
            cursor=json.dumps(known_days),
        )

    return acknowledgements_arrive


def failed_egress_sensor(pipeline: Context) -> dg.SensorDefinition:
    """Returns the sensor that reconciles a partition whose egress has failed, whatever ran it."""

    @dg.sensor(
        name="reconcile_after_failed_egress",
        job_name=RECONCILE,
        minimum_interval_seconds=EACH_MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Each minute: a failure in the ledger, of a run from wherever, is followed by "
        "one reconcile run of its partition, so that the list of affected user profiles is there. "
        "A run that was killed gets its failure recorded first.",
    )
    def reconcile_after_failed_egress(
        context: dg.SensorEvaluationContext, clock: dg.ResourceParam[Clock]
    ) -> dg.SensorResult:
        from vye_pipeline.ledger.open_work import failed_files

        seen = json.loads(context.cursor or "{}")
        since = datetime.fromisoformat(seen["ended"]) if seen.get("ended") else None
        ended, since = ended_egress_runs(context.instance, since)
        for run in ended:
            _record_if_silent(context.instance, pipeline, run, clock)
        known = seen.get("failure", 0)
        files = pipeline.ledger.read(partial(failed_files, after=known))
        newest = {one.partition_date: one.failure_id for one in files}
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{day} after failure {failure}", partition_key=str(day))
                for day, failure in newest.items()
            ],
            skip_reason=None if newest else "no egress has failed since the last look",
            cursor=json.dumps(
                {
                    "ended": since.isoformat() if since else None,
                    "failure": max([known, *newest.values()]),
                }
            ),
        )

    return reconcile_after_failed_egress


def _record_if_silent(
    instance: dg.DagsterInstance, pipeline: Context, run: dg.DagsterRun, clock: Clock
) -> None:
    """Records the failure of a run that could not do so itself: it was killed, or never began."""
    from vye_pipeline.ledger.open_work import delivered_kinds, failed_kinds

    day = day_of(run)
    if day is None:
        return
    accounted_for = postponed_kinds(instance, run.run_id) | pipeline.ledger.read(
        lambda connection: failed_kinds(connection, run.run_id) | delivered_kinds(connection, day)
    )
    error = defect(
        "the run ended before it could say why: its process was killed, or could not start",
        is_transient=True,
        next_step="look at the run's page and at the machine",
    )
    waited = postponed_kinds(instance, run.run_id)
    for kind in KINDS:
        if kind.name in egress_kinds(run) - accounted_for - waited:
            pipeline.ledger.fail(
                day, kind, error, step="run", run_id=run.run_id, failed_at=clock.now()
            )


def watch_sensor(pipeline: Context) -> dg.SensorDefinition:
    """Returns the sensor that tells people what they have to know (alarms.py)."""

    @dg.sensor(
        name="watch",
        minimum_interval_seconds=EACH_MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Each minute: failed and late days, new items of manual reconciliation, "
        "holidays ahead. Each piece of news is sent once, and its end.",
    )
    def watch(
        context: dg.SensorEvaluationContext,
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
        metrics: dg.ResourceParam[Metrics],
    ) -> dg.SkipReason:
        from vye_pipeline.alerting import alarms
        from vye_pipeline.egress.clone_flags import look_at_clones

        notified = json.loads(context.cursor or "{}")
        try:
            _, unseen = contained(lambda: look_at_clones(pipeline, clock.now()))
            holding = alarms.alarms(pipeline, clock.now(), unseen)
        except PipelineError as error:
            notified |= alarms.notify_new(notifier, [alarms.unreadable(error)], notified)
        else:
            notified = alarms.notify(notifier, holding, notified)
        context.update_cursor(json.dumps(notified))
        metrics.gauge(OPEN_ALARMS, len(notified))
        return dg.SkipReason("; ".join(notified) or "there is nothing that people have to know")

    return watch
