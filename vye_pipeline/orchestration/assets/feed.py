"""BDN's nightly feed: an asset of its own, a partition a day, of no kind."""

import dagster as dg

from vye_pipeline.orchestration import checks, metadata
from vye_pipeline.orchestration.failures import reported
from vye_pipeline.orchestration.jobs import ONE_DAY_A_RUN
from vye_pipeline.orchestration.partitions import partition_date
from vye_pipeline.orchestration.resources import Clock, Context

WAVE_FEED, READABLE = "wave_feed", "every_line_is_readable"


def wave_feed_asset(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of a night's feed."""

    @dg.asset(
        name=WAVE_FEED,
        group_name="acknowledgement",
        owners=metadata.OWNERS,
        tags=metadata.tags(is_personal=True),
        partitions_def=partitions,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"s3"},
        description="BDN's nightly WAVE.txt. It carries evidence that a submission took effect "
        "even where no acknowledgement came: of older records that are pending or missing it says "
        "confirmed_by_feed or contradicted_by_feed, beside their status. None yet is a normal "
        "state; an incomplete one is refused whole.",
        check_specs=[checks.spec(READABLE, [WAVE_FEED], partitions)],
    )
    @reported(WAVE_FEED)
    def wave_feed(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.reconciliation.feed import take_feed

        day = partition_date(context)
        outcome = take_feed(pipeline, day, clock.now())
        if outcome is None:
            return dg.MaterializeResult(
                metadata={"is_there": False},
                check_results=[dg.AssetCheckResult(check_name=READABLE, passed=True)],
            )
        unreadable = outcome.unreadable
        return dg.MaterializeResult(
            metadata={
                "is_there": True,
                **metadata.counts(
                    {
                        "lines": outcome.line_count,
                        "confirmed": outcome.confirmed_count,
                        "contradicted": outcome.contradicted_count,
                    }
                ),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=READABLE,
                    passed=unreadable.empty,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=None
                    if unreadable.empty
                    else f"{len(unreadable)} lines can't be read and were passed over: ask BDN",
                    metadata={"unreadable_lines": metadata.table(unreadable)},
                )
            ],
        )

    return wave_feed
