"""What may pass by itself is tried again, here and nowhere else; what won't is tried once.

The waits grow exponentially and are random, so that many processes don't come back all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tenacity import (
    retry,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from vye_pipeline.errors import PipelineError

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 1
LONGEST_WAIT_SECONDS = 10
SECONDS_IN_ALL = 60

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, PipelineError) and error.is_transient


def retried(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a function try again after transient failures.

    The function must be fit for being repeated after any failure: a read, a transaction that
    recognises what it has done already, a conditional put.
    """
    return retry(
        retry=retry_if_exception(_is_transient),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(SECONDS_IN_ALL),
        reraise=True,
    )(work)
