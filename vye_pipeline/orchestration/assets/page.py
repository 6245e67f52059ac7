"""The analysts' page: an asset of no day, rewritten by every reconcile run."""

import dagster as dg

from vye_pipeline.orchestration import metadata
from vye_pipeline.orchestration.failures import reported
from vye_pipeline.orchestration.resources import Clock, Context

ANALYSTS_PAGE = "analysts_page"


def analysts_page_asset() -> dg.AssetsDefinition:
    """Returns the asset of the analysts' page."""

    @dg.asset(
        name=ANALYSTS_PAGE,
        group_name="manual_reconciliation",
        owners=metadata.OWNERS,
        tags=metadata.tags(is_personal=False),
        kinds={"html"},
        deps=[dg.AssetKey("manual_reconciliation")],
        description="The analysts' page, one HTML file at VYE_REPORT_URL: which days failed and "
        "why, who needs a person, what BDN rejects, what was closed. It needs no server and no "
        "network, and holds no personal data.",
    )
    @reported(ANALYSTS_PAGE)
    def analysts_page(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.reporting.page.publish import days_on_page, publish

        now = clock.now()
        days = days_on_page(pipeline, now)
        return dg.MaterializeResult(metadata={"page": publish(pipeline, days, now)})

    return analysts_page
