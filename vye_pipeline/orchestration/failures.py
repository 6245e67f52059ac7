"""How an error of a step becomes a failed step in Dagster, classified, without personal data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial, wraps
from typing import Any, TypeAlias, cast

import dagster as dg

from vye_pipeline.alerting.links import affected_link
from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.containment import contained
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError, Postponed, defect, failure_sentence
from vye_pipeline.orchestration.partitions import partition_date
from vye_pipeline.records import Kind
from vye_pipeline.settings import Settings

Result: TypeAlias = "dg.MaterializeResult[Any]"
Body: TypeAlias = Callable[..., Result]

POSTPONED = "postponed"
INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)


def recorded(kind: Kind, step: str) -> Callable[[Body], Body]:
    """Makes a function the body of an egress step: its failure is recorded in the ledger.

    Such a step raises dg.Failure, whatever went wrong inside, classified; Dagster doesn't retry it,
    since what is worth a retry was retried where it arose. An interrupt stays one. Neither holds
    anything of the error that it came from (containment.py).

    Args:
        kind: of its records.
        step: what the ledger calls it.
    """

    def decorated(body: Body) -> Body:
        @wraps(body)
        def stepped(context: dg.AssetExecutionContext, **resources: Any) -> Result:
            result, error = contained(partial(body, context, **resources), interrupts=INTERRUPTS)
            if error is None:
                return cast(Result, result)
            raise _recorded(
                resources["pipeline"],
                partition_date(context),
                kind,
                _failure_of(error),
                step=step,
                run_id=context.run.run_id,
                now=resources["clock"].now(),
            )

        return stepped

    return decorated


def reported(name: str) -> Callable[[Body], Body]:
    """Makes a function the body of a step that isn't part of the egress; as `recorded`.

    Args:
        name: the kind, or the asset that is of no kind.
    """

    def decorated(body: Body) -> Body:
        @wraps(body)
        def stepped(context: dg.AssetExecutionContext, **resources: Any) -> Result:
            result, error = contained(partial(body, context, **resources), interrupts=INTERRUPTS)
            if error is None:
                return cast(Result, result)
            failure = _failure_of(error)
            day = f" of {partition_date(context)}" if context.has_partition_key else ""
            raise _failure(failure, f"{name}{day}: {failure}", {})

        return stepped

    return decorated


def _failure_of(error: BaseException) -> PipelineError:
    """Returns a step's failure: a setting that can't be used is one, too.

    Raises:
        BaseException: it is an interrupt.
    """
    if isinstance(error, INTERRUPTS):
        raise error
    if isinstance(error, PipelineError):
        return error
    return defect(str(error), next_step="run vye doctor and set it right")


def _recorded(
    pipeline: Context,
    day: date,
    kind: Kind,
    failure: PipelineError,
    *,
    step: str,
    run_id: str,
    now: datetime,
) -> dg.Failure:
    """Keeps a failure in the ledger, if that can be reached, and returns it for Dagster.

    What is postponed has not failed, and is not kept.
    """
    if isinstance(failure, Postponed):
        return _failure(failure, f"{kind.name} of {day}: {failure}", {POSTPONED: True})
    held_back, unrecorded = contained(
        lambda: pipeline.ledger.fail(day, kind, failure, step=step, run_id=run_id, failed_at=now),
        interrupts=INTERRUPTS,
    )
    unsettled = None
    if unrecorded is None:
        _, unsettled = contained(partial(_settle_clones, pipeline, now), interrupts=INTERRUPTS)
    for error in (unrecorded, unsettled):
        if isinstance(error, INTERRUPTS):
            raise error
    return _of_a_file(pipeline.settings, failure, day, kind, held_back)


def _settle_clones(pipeline: Context, now: datetime) -> None:
    from vye_pipeline.egress.clone_flags import settle_clones

    settle_clones(pipeline, now)


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
        f"{failure_sentence(error.cause, error.what)} "
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
