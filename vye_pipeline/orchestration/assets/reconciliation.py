"""The way back: acknowledgement and reconciliation of a kind, manual_reconciliation of a day.

As in egress.py, what carries records is loaded by the step that runs.
"""

from contextlib import suppress
from datetime import date, datetime

import dagster as dg

from vye_pipeline.alerting.metrics import Metrics
from vye_pipeline.errors import PipelineError
from vye_pipeline.orchestration import checks, metadata, schemas
from vye_pipeline.orchestration.failures import reported
from vye_pipeline.orchestration.jobs import ONE_DAY_A_RUN
from vye_pipeline.orchestration.partitions import partition_date
from vye_pipeline.orchestration.resources import Clock, Context
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.statuses import MANUAL, Status

SUMS, WELL_FORMED, COMPLETE = (
    "every_record_has_one_status",
    "acknowledgements_are_well_formed",
    "bdn_received_every_line",
)


def acknowledgement_asset(kind: Kind, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of BDN's acknowledgements of a partition's file."""

    @dg.asset(
        name="acknowledgement",
        key_prefix=kind.name,
        group_name="acknowledgement",
        owners=metadata.OWNERS,
        tags=metadata.tags(kind, is_personal=True),
        partitions_def=partitions,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"s3"},
        deps=[dg.AssetKey([kind.name, "delivery"])],
        description=f"What BDN answered to the file of {kind.title.lower()}: its acknowledgement "
        "and any supplements. The raw bytes are kept before they are read. None yet is a normal "
        "state. A malformed one is refused whole, stays where it is, and turns a check red; it "
        "doesn't keep the day from being reconciled with what else is known.",
        check_specs=[
            checks.spec(name, [kind.name, "acknowledgement"], partitions)
            for name in (WELL_FORMED, COMPLETE, checks.INTACT)
        ],
    )
    @reported(kind.name)
    def acknowledgement(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.redeliver import verify
        from vye_pipeline.reconciliation.reconcile import load_acknowledgements, receive

        day = partition_date(context)
        received = receive(pipeline, day, kind, clock.now())
        known = load_acknowledgements(pipeline, day, kind, received.acknowledgements)
        receipt = pipeline.ledger.receipt(day, kind)
        verified = verify(pipeline, [day], [kind])
        lines_sent = receipt.line_count if receipt else 0
        lines_received = {one.lines_received for one in known}
        return dg.MaterializeResult(
            metadata={
                "acknowledgements": len(known),
                "malformed": len(received.malformed),
                "lines_sent": lines_sent,
                "accepted": sum(one.accepted_count for one in known),
                "rejected": sum(one.rejected_count for one in known),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=WELL_FORMED,
                    passed=not received.malformed,
                    description="\n".join(str(error) for error in received.malformed) or None,
                ),
                dg.AssetCheckResult(
                    check_name=COMPLETE,
                    passed=lines_received <= {lines_sent},
                    description=None
                    if lines_received <= {lines_sent}
                    else f"BDN counted {', '.join(map(str, sorted(lines_received)))} lines, "
                    f"{lines_sent} were sent: ask BDN which file it has read",
                    metadata={
                        "lines_sent": lines_sent,
                        **({"lines_received": max(lines_received)} if lines_received else {}),
                    },
                ),
                checks.intact(verified),
            ],
        )

    return acknowledgement


def reconciliation_asset(kind: Kind, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of a partition's reconciliation: one status a record."""

    @dg.asset(
        name="reconciliation",
        key_prefix=kind.name,
        group_name="reconciliation",
        metadata=schemas.of_reconciliation(),
        owners=metadata.OWNERS,
        tags=metadata.tags(kind, is_personal=False),
        partitions_def=partitions,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"pandas", "sql"},
        deps=[dg.AssetKey([kind.name, "acknowledgement"])],
        description=f"What became of each of the {kind.title.lower()} of a day: one row and one "
        "status per record (docs/bdn-interface.md). The check `bdn_accepted_every_line` tells what "
        "BDN did not take as it was sent, `few_records_are_held_back` what was not sent to it.",
        check_specs=[
            checks.spec(name, [kind.name, "reconciliation"], partitions)
            for name in (
                SUMS,
                checks.ACCEPTED,
                checks.HELD_BACK,
                checks.SETTLED,
                checks.USUAL,
            )
        ],
    )
    @reported(kind.name)
    def reconciliation(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
        metrics: dg.ResourceParam[Metrics],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.reconciliation.reconcile import load_acknowledgements, reconcile
        from vye_pipeline.reporting.funnel import funnels

        day, now = partition_date(context), clock.now()
        rows = reconcile(pipeline, day, kind, load_acknowledgements(pipeline, day, kind), now)
        records = pipeline.ledger.record_count(day, kind)
        answers = pipeline.ledger.read(lambda connection: funnels(connection, day, day))
        usual = checks.rejection_rate(pipeline, day, kind, rows)
        counts = {str(status): int((rows["status"] == status).sum()) for status in Status}
        metrics.statuses(day, kind.name, counts)
        affected = rows[rows["status"].isin([*MANUAL, Status.UNDELIVERED])]
        return dg.MaterializeResult(
            metadata={
                **metadata.counts(counts),
                "records": records,
                "affected_user_profiles": metadata.profiles(affected),
                "answers": metadata.answers([one for one in answers if one.kind == kind.name]),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=SUMS,
                    passed=sum(counts.values()) - counts[Status.UNEXPECTED] == records,
                    metadata=metadata.counts({"records": records}),
                ),
                checks.accepted(rows),
                checks.held_back(rows),
                checks.settled(_due_at(pipeline, day, kind), rows, now),
                usual,
            ],
        )

    return reconciliation


def _due_at(pipeline: Context, day: date, kind: Kind) -> datetime:
    receipt = pipeline.ledger.receipt(day, kind)
    return pipeline.settings.calendar.deadline(day, receipt.delivered_at if receipt else None)


def manual_reconciliation_asset(
    partitions: dg.PartitionsDefinition,
) -> dg.AssetsDefinition:
    """Returns the asset of the user profiles that need a person, over all kinds of a day."""

    @dg.asset(
        name="manual_reconciliation",
        group_name="manual_reconciliation",
        metadata=schemas.of_worklist(),
        owners=metadata.OWNERS,
        tags=metadata.tags(is_personal=False),
        partitions_def=partitions,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"sql"},
        deps=[dg.AssetKey([kind.name, "reconciliation"]) for kind in KINDS],
        description="The worklist of a day: one row per user profile whose records need a person, "
        "over all kinds: why, since how many business days, whether a newer submission has made it "
        "moot, and whether the veteran can be reached. It should be empty; `vye affected --date "
        "DATE` lists the records with next steps, `vye resolve` closes them.",
        check_specs=[
            checks.spec(name, ["manual_reconciliation"], partitions)
            for name in (checks.ATTENDED, checks.CLAIMED, checks.ORPHANS, checks.FLAG)
        ],
    )
    @reported("manual_reconciliation")
    def manual_reconciliation(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.clone_flags import look_at_clones
        from vye_pipeline.reconciliation.orphans import find_orphans
        from vye_pipeline.reporting.worklist import worklist

        day = partition_date(context)
        with suppress(PipelineError):  # the check below says so, and each minute's look
            look_at_clones(pipeline, clock.now())
        profiles = worklist(pipeline, day, clock.now())
        claimed = checks.every_record_claimed(pipeline, day)
        orphans = find_orphans(pipeline, day, clock.now())
        return dg.MaterializeResult(
            metadata={"user_profiles": len(profiles), "worklist": metadata.table(profiles)},
            check_results=[
                checks.attended(day, profiles),
                claimed,
                checks.no_orphans(orphans),
                checks.flag_is_writable(pipeline),
            ],
        )

    return manual_reconciliation
