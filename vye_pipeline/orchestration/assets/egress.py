"""What a kind sends: export_ready, upload_file, delivery (architecture.md, "The flow of a day").

What carries records is loaded by the step that runs: what only reads the declarations, as
Dagster's servers do, doesn't wait for it. Dagster evaluates the types of a step's arguments.

A step's outcome reaches the next one through the ledger and the encrypted snapshots. Each keeps its
own before the ledger names it, so a crash between the two loses nothing, personal data is never in
Dagster's storage (architecture.md, rule 7), and a step can be run alone, days later.
"""

import dagster as dg

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.orchestration import checks, metadata, schemas
from vye_pipeline.orchestration.failures import recorded
from vye_pipeline.orchestration.jobs import ONE_DAY_A_RUN, POOL
from vye_pipeline.orchestration.partitions import partition_date
from vye_pipeline.orchestration.resources import Clock, Context
from vye_pipeline.records import Kind


def export_ready_asset(kind: Kind, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of the records that a partition has claimed."""

    @dg.asset(
        name="export_ready",
        key_prefix=kind.name,
        group_name="export_ready",
        metadata=schemas.of_records(kind),
        owners=metadata.OWNERS,
        tags=metadata.tags(kind, is_personal=True),
        partitions_def=partitions,
        pool=POOL,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"sql", "pandas"},
        description=f"{kind.title} that VYE has ready for BDN on a business day: read once VYE "
        "has closed the day's clone, normalised, checked against BDN's rules, and claimed in the "
        "ledger so that no other day can send them. Those that break a rule are quarantined with "
        "their reasons. Materialising an undelivered day reads the source again; a delivered one "
        "is frozen.",
        check_specs=[
            checks.spec(
                "every_record_has_one_place",
                [kind.name, "export_ready"],
                partitions,
                blocking=True,
            )
        ],
    )
    @recorded(kind, "export_ready")
    def export_ready(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.claim import take_export_ready
        from vye_pipeline.ledger.models import HELD, LINE, QUARANTINED, REPLACED, SUPERSEDED

        day, now = partition_date(context), clock.now()
        export = take_export_ready(pipeline, day, kind, now)
        dispositions = (LINE, QUARANTINED, HELD, SUPERSEDED, REPLACED)
        counts = {name: export.count(name) for name in dispositions}
        return dg.MaterializeResult(
            metadata={
                **metadata.counts(counts),
                "vanished_at_the_source": int(export.claims["is_vanished"].sum()),
                "is_frozen": export.is_frozen,
                **({} if export.is_frozen else pipeline.personal.requests),
                "quarantined_user_profiles": metadata.profiles(
                    export.claims[export.claims["disposition"] == QUARANTINED]
                ),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="every_record_has_one_place",
                    passed=sum(counts.values()) == len(export.records)
                    and export.records["record_id"].is_unique,
                    metadata=metadata.counts(counts | {"records": len(export.records)}),
                )
            ],
        )

    return export_ready


def upload_file_asset(kind: Kind, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of a partition's rendered file."""

    @dg.asset(
        name="upload_file",
        key_prefix=kind.name,
        group_name="upload_file",
        metadata=schemas.of_lines(kind),
        owners=metadata.OWNERS,
        tags=metadata.tags(kind, is_personal=True),
        partitions_def=partitions,
        pool=POOL,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"file"},
        deps=[dg.AssetKey([kind.name, "export_ready"])],
        description=f"The exact bytes of the file of {kind.title.lower()} for BDN, rendered from "
        "export_ready: one line per record, ordered by user_info_id. The same records always make "
        "the same bytes. Its fingerprint is announced in the ledger before anything is put.",
        check_specs=[
            checks.spec(
                "every_line_is_a_record", [kind.name, "upload_file"], partitions, blocking=True
            )
        ],
    )
    @recorded(kind, "upload_file")
    def upload_file(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.as_claimed import render_upload_file
        from vye_pipeline.egress.due import refuse_before_its_time
        from vye_pipeline.records.layout import split_lines

        day = partition_date(context)
        refuse_before_its_time(pipeline, day, kind, clock.now())
        rendered = render_upload_file(pipeline, day, kind)
        lines = len(split_lines(rendered.content))
        return dg.MaterializeResult(
            metadata={
                "object_key": outbound_key(kind, day),
                "fingerprint": rendered.fingerprint,
                "bytes": len(rendered.content),
                "lines": lines,
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="every_line_is_a_record",
                    passed=lines == rendered.record_count,
                    metadata={"lines": lines, "records": rendered.record_count},
                )
            ],
        )

    return upload_file


def delivery_asset(kind: Kind, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Returns the asset of a partition's receipt."""

    @dg.asset(
        name="delivery",
        key_prefix=kind.name,
        group_name="delivery",
        owners=metadata.OWNERS,
        tags=metadata.tags(kind, is_personal=False),
        partitions_def=partitions,
        pool=POOL,
        backfill_policy=ONE_DAY_A_RUN,
        kinds={"s3"},
        deps=[dg.AssetKey([kind.name, "upload_file"])],
        description=f"The receipt for the file of {kind.title.lower()}: put once into the object "
        "store, and read back. A red day has not reached BDN: its error says why and what to do, "
        "`vye affected` lists who waits, and `vye backfill --failed` sends it after the fix. A "
        "delivered day can be run again without another put.",
        check_specs=[checks.spec("object_is_what_was_sent", [kind.name, "delivery"], partitions)],
    )
    @recorded(kind, "delivery")
    def delivery(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Context],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster refuses one
        from vye_pipeline.egress.as_claimed import deliver_upload_file

        day, now = partition_date(context), clock.now()
        receipt = deliver_upload_file(pipeline, day, kind, now)
        lying = pipeline.fingerprint_at(receipt.object_key)
        expected = None if receipt.is_by_hand else receipt.fingerprint
        return dg.MaterializeResult(
            metadata={
                "object_key": receipt.object_key,
                "fingerprint": receipt.fingerprint,
                "bytes": receipt.byte_count,
                "lines": receipt.line_count,
                "delivered_at": dg.MetadataValue.timestamp(receipt.delivered_at),
                "way": receipt.way,
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="object_is_what_was_sent",
                    passed=lying == expected,
                    metadata={"expected": expected or "nothing", "found": lying or "nothing"},
                )
            ],
        )

    return delivery
