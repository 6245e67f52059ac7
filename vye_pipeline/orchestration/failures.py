"""How an error of a step becomes a failed step in Dagster, classified, without personal data."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime

import dagster as dg

from vye_pipeline.errors import PipelineError, defect
from vye_pipeline.records import Kind
from vye_pipeline.vye_database.clone_flags import settle_clones
from vye_pipeline.world import World


@contextmanager
def recorded(
    world: World,
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
        failure = classified(error)
        metadata: dict[str, int] = {}
        with suppress(PipelineError):
            records, profiles = world.ledger.fail(
                partition_date, kind, failure, step=step, run_id=run_id, failed_at=now
            )
            metadata = {
                "records_held_back": records,
                "user_profiles_held_back": profiles,
            }
            settle_clones(world)
        raise as_dagster_failure(failure, partition_date, kind, metadata) from None


@contextmanager
def reported(partition_date: date, kind: Kind) -> Iterator[None]:
    """Ends a step that isn't part of the egress with whatever went wrong inside, classified."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - classified and raised again
        raise as_dagster_failure(classified(error), partition_date, kind, {}) from None


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
        f"this is a defect in the pipeline: {type(error).__name__} in {place}",
        next_step="report it to the pipeline's maintainers with the run's id",
    )


def as_dagster_failure(
    error: PipelineError, partition_date: date, kind: Kind, metadata: dict[str, int]
) -> dg.Failure:
    """Returns the failure of a step, with all that an operator needs in its metadata."""
    return dg.Failure(
        description=f"{kind.name} of {partition_date}: {error}",
        metadata={
            "partition": partition_date.isoformat(),
            "kind": kind.name,
            "cause": error.cause.value,
            "is_transient": error.is_transient,
            "next_step": error.next_step,
            **metadata,
        },
        allow_retries=False,
    )
