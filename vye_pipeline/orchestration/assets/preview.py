"""What goes out next: an asset of no day, in no job; materialise it to find out."""

import dagster as dg

from vye_pipeline.orchestration import checks, metadata
from vye_pipeline.orchestration.failures import reported
from vye_pipeline.orchestration.resources import Clock, Context

PREVIEW = "preview"


def preview_asset() -> dg.AssetsDefinition:
    """Returns the asset of what would go out next."""

    @dg.asset(
        name=PREVIEW,
        group_name="export_ready",
        owners=metadata.OWNERS,
        tags=metadata.tags(is_personal=False),
        kinds={"sql"},
        description="What would go out now or, once the day's files are delivered, at the next "
        "cut-off, by kind, beside the medians of that weekday's last files. Materialise it to "
        "know; it reads only, and claims and sends nothing. At a terminal: `vye preview`.",
        check_specs=[
            dg.AssetCheckSpec(
                checks.EXPECTED, asset=PREVIEW, description=checks.MEANINGS[checks.EXPECTED]
            )
        ],
    )
    @reported(PREVIEW)
    def preview(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.preview import next_day
        from vye_pipeline.reporting.usual import beside_usual

        now = clock.now()
        day = next_day(pipeline, now)
        pairs = beside_usual(pipeline, day, now)
        return dg.MaterializeResult(
            metadata={
                "partition": day.isoformat(),
                **{one.kind: metadata.preview(one, usual) for one, usual in pairs},
            },
            check_results=[checks.expected(pairs)],
        )

    return preview
