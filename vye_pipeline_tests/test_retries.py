"""What may pass is tried again, longer and longer apart, and not for ever."""

from __future__ import annotations

import pytest

from vye_pipeline.errors import PipelineError, source_error
from vye_pipeline.retries import (
    ATTEMPTS,
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    retried,
)


class Work:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, *, is_transient: bool) -> None:
        self.tries = 0
        self._failures = failures
        self._is_transient = is_transient

    @retried
    def do(self) -> str:
        self.tries += 1
        if self.tries > self._failures:
            return "done"
        raise source_error("away", is_transient=self._is_transient, next_step="wait")


@pytest.mark.parametrize("failures", range(ATTEMPTS))
def test_what_passes_is_tried_again_with_growing_random_waits(
    failures: int, waits: list[float]
) -> None:
    work = Work(failures, is_transient=True)
    assert work.do() == "done"
    assert work.tries == failures + 1
    assert len(waits) == failures
    for number, wait in enumerate(waits):
        assert 0 <= wait <= min(FIRST_WAIT_SECONDS * 2**number, LONGEST_WAIT_SECONDS)


def test_what_does_not_pass_ends_after_a_bounded_number_of_tries(waits: list[float]) -> None:
    work = Work(1_000, is_transient=True)
    with pytest.raises(PipelineError, match="away"):
        work.do()
    assert work.tries == ATTEMPTS
    assert len(set(waits)) == ATTEMPTS - 1, "the waits are random"


def test_what_will_not_pass_is_tried_once(waits: list[float]) -> None:
    work = Work(1, is_transient=False)
    with pytest.raises(PipelineError, match="away"):
        work.do()
    assert work.tries == 1
    assert waits == []
