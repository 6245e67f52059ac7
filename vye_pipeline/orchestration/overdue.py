"""Files that BDN should have by now, as checks of the deliveries that hold beyond any one day.

The runs of a day evaluate them; in between a sensor reports each change, so that a day on which
nothing ran at all is red in the UI, too.
"""

from __future__ import annotations

import json

import dagster as dg

from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS, Kind

OVERDUE = "no_file_is_overdue"
EACH_MINUTE = 60


def overdue_check(kind: Kind) -> dg.AssetChecksDefinition:
    """Returns the check of a kind's deliveries on all days."""

    @dg.asset_check(
        asset=[kind.name, "delivery"],
        name=OVERDUE,
        description="No business day's file has failed or is late; the days and causes are named. "
        "It is evaluated anew each minute, whether anything ran or not.",
    )
    def no_file_is_overdue(
        pipeline: dg.ResourceParam[Context], clock: dg.ResourceParam[Clock]
    ) -> dg.AssetCheckResult:
        found = _overdue(pipeline, clock)[kind.name]
        return dg.AssetCheckResult(
            passed=not found, description="\n".join(found) or None, metadata={"files": len(found)}
        )

    return no_file_is_overdue


def overdue_sensor(pipeline: Context) -> dg.SensorDefinition:
    """Returns the sensor that reports the checks when what they say has changed."""

    @dg.sensor(
        name="overdue_files",
        minimum_interval_seconds=EACH_MINUTE,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Each minute: failed and late files become red in the checks of their kind's "
        "deliveries, and green again when they are delivered.",
    )
    def overdue_files(
        context: dg.SensorEvaluationContext, clock: dg.ResourceParam[Clock]
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            found = _overdue(pipeline, clock)
        except PipelineError as error:
            return dg.SkipReason(str(error))
        reported = json.loads(context.cursor or "{}")
        listed = [text for texts in found.values() for text in texts]
        return dg.SensorResult(
            asset_events=[
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey([kind, "delivery"]),
                    check_name=OVERDUE,
                    passed=not texts,
                    description="\n".join(texts) or None,
                    metadata={"files": dg.MetadataValue.int(len(texts))},
                )
                for kind, texts in found.items()
                if reported.get(kind) != texts
            ],
            skip_reason="; ".join(listed) or "no file is overdue",
            cursor=json.dumps(found),
        )

    return overdue_files


def _overdue(pipeline: Context, clock: Clock) -> dict[str, list[str]]:
    """Returns for each kind the days whose file has failed or is late, in words."""
    from vye_pipeline.alerting.alarms import late_files
    from vye_pipeline.ledger.open_work import failed_files

    found: dict[str, list[str]] = {kind.name: [] for kind in KINDS}
    for file in pipeline.ledger.read(failed_files):
        found[file.kind].append(
            f"{file.partition_date} failed: {file.what}. Next: {file.next_step}"
        )
    for day, kind in late_files(pipeline, clock.now()):
        found[kind].append(f"{day} is late: vye explain {day}")
    return found
