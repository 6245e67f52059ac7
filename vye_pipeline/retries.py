"""What may pass by itself is tried again, here and nowhere else; what won't is tried once.

The waits grow exponentially and are random, so that many processes don't come back all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from vye_pipeline.errors import PipelineError

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 1
LONGEST_WAIT_SECONDS = 10
SECONDS_IN_ALL = 60
LONGEST_TRY_SECONDS = 15  # of one request that nobody answers: to connect 5, to wait 10

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, PipelineError) and error.is_transient


_end: ContextVar[float | None] = ContextVar("_end", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Makes all tries of several functions, in turn, begin and end within a time.

    The first try of each is made in any case.
    """
    before = _end.get()
    end = monotonic() + seconds
    token = _end.set(end if before is None else min(before, end))
    try:
        yield
    finally:
        _end.reset(token)


class _IsTimeUp(stop_base):
    """Says whether another try might end too late."""

    def __call__(self, state: RetryCallState) -> bool:
        """Looks at the time that `within` gives, or else at the usual one."""
        end = _end.get()
        latest = state.start_time + SECONDS_IN_ALL if end is None else end
        return monotonic() + state.upcoming_sleep + LONGEST_TRY_SECONDS > latest


def retried(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a function try again after transient failures.

    The function must be fit for being repeated after any failure: a read, a transaction that
    recognises what it has done already, a conditional put.
    """
    return retry(
        retry=retry_if_exception(_is_transient),
        wait=wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        stop=stop_after_attempt(ATTEMPTS) | _IsTimeUp(),
        reraise=True,
    )(work)
