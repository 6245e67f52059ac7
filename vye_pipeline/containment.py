"""Where an error leaves the pipeline: without the errors, frames and texts that it dragged along.

Python chains the error that was being handled to the next one (`__context__`), and whatever prints
or stores an error follows the chain. So an `except` clause only takes the error; whatever is to be
done about it comes after the clause, where a signal or a second error finds nothing to chain.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

from vye_pipeline.errors import PipelineError, UsageError, defect

Value = TypeVar("Value")


def contained(
    work: Callable[[], Value], *, interrupts: tuple[type[BaseException], ...] = (KeyboardInterrupt,)
) -> tuple[Value | None, BaseException | None]:
    """Does some work and returns its value, or an error that holds nothing but its own words.

    Args:
        work: what may fail.
        interrupts: what ends a process from outside. They need no argument, and come back as new.

    Returns:
        The value and None; or None and a PipelineError, a UsageError or an interrupt.
    """
    value, caught = _caught(work)
    if caught is None:
        return value, None
    if isinstance(caught, interrupts):
        return None, type(caught)()
    error = caught if isinstance(caught, PipelineError | UsageError) else _classified(caught)
    error.__cause__ = error.__context__ = error.__traceback__ = None
    return None, error


def _caught(work: Callable[[], Value]) -> tuple[Value | None, BaseException | None]:
    """The outer clause catches a signal that arrives in the inner one, with what hangs on it."""
    caught: BaseException
    try:
        try:
            return work(), None
        except BaseException as error:  # noqa: BLE001 - nothing gets by
            caught = error
    except BaseException as error:  # noqa: BLE001
        caught = error
    return None, caught


def _classified(error: BaseException) -> PipelineError:
    """Returns a defect that says where it is, not with what.

    The text of an unknown error may hold a record's values; its type and place do not.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "vye_pipeline" in frame.filename and frame.filename != __file__
    ]
    place = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "an unknown place"
    return defect(
        f"{type(error).__name__} in {place}",
        next_step="run it again; if it fails at the same place, run the version before this one, "
        "or vye hand-over; what has been sent or claimed is as it was",
    )
