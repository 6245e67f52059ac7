"""How an error of a step becomes a failed step in Dagster, classified, without personal data."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime

import dagster as dg

from vye_pipeline.alerting.links import affected_link
from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError, defect, said
from vye_pipeline.records import Kind
from vye_pipeline.settings import Settings


@contextmanager
def recorded(
    pipeline: Context,
    partition_date: date,
    kind: Kind,
    *,
    step: str,
    run_id: str,
    now: datetime,
) -> Iterator[None]:
    """Records the failure of an egress step in the ledger and ends the step with it.

    Raises:
        dg.Failure: whatever went wrong inside, classified; never retried by Dagster, since what is
            worth a retry was retried where it arose.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - classified, recorded and raised again
        from vye_pipeline.egress.clone_flags import settle_clones

        failure, held_back = classified(error), None
        with suppress(PipelineError):
            held_back = pipeline.ledger.fail(
                partition_date, kind, failure, step=step, run_id=run_id, failed_at=now
            )
            settle_clones(pipeline)
        raise _of_a_file(pipeline.settings, failure, partition_date, kind, held_back) from None


@contextmanager
def reported(partition_date: date, name: str) -> Iterator[None]:
    """Ends a step that isn't part of the egress with whatever went wrong inside, classified.

    Args:
        partition_date: of the step.
        name: the kind, or the asset that is of no kind.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - classified and raised again
        failure = classified(error)
        raise _failure(failure, f"{name} of {partition_date}: {failure}", {}) from None


def classified(error: Exception) -> PipelineError:
    """Returns the error itself if it is classified, else a defect that says where, not with what.

    The text of an unknown error may hold a record's values; its type and place do not.
    """
    if isinstance(error, PipelineError):
        return error
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "vye_pipeline" in frame.filename
    ]
    place = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "an unknown place"
    return defect(
        f"{type(error).__name__} in {place}",
        next_step="report it to the pipeline's maintainers with the run's id",
    )


def _of_a_file(
    settings: Settings,
    error: PipelineError,
    partition_date: date,
    kind: Kind,
    held_back: tuple[int, int] | None,
) -> dg.Failure:
    """Returns the failure of an egress step, with how many records and profiles it holds back."""
    object_key = outbound_key(kind, partition_date)
    waiting = "how many records wait is not known"
    metadata: dict[str, dg.RawMetadataValue] = {
        "partition": partition_date.isoformat(),
        "kind": kind.name,
        "object_key": object_key,
        "affected_user_profiles": dg.MetadataValue.url(
            affected_link(settings, kind.name, partition_date)
        ),
    }
    if held_back is not None:
        records, profiles = held_back
        waiting = f"{records} records of {profiles} user profiles wait"
        metadata |= {"records_held_back": records, "user_profiles_held_back": profiles}
    return _failure(
        error,
        f"{kind.name} of {partition_date} ({object_key}): "
        f"{said(error.cause, error.what)} "
        f"({error.cause}, {'transient' if error.is_transient else 'permanent'}); {waiting}. "
        f"Next: {error.next_step}",
        metadata,
    )


def _failure(
    error: PipelineError, description: str, metadata: Mapping[str, dg.RawMetadataValue]
) -> dg.Failure:
    return dg.Failure(
        description=description,
        metadata={
            "cause": error.cause.value,
            "is_transient": error.is_transient,
            "next_step": error.next_step,
            **metadata,
        },
        allow_retries=False,
    )
