"""What leaves the pipeline holds nothing of what was handled, wherever a signal strikes."""

from __future__ import annotations

import signal
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from vye_pipeline import containment
from vye_pipeline.containment import contained
from vye_pipeline.errors import PipelineError, UsageError, defect

VALUE = "900123456"


class Torn(BaseException):
    """Neither an Exception nor an interrupt, as Rust's panics are."""


def everything_of(error: BaseException | None) -> str:
    """Returns all that could be printed of an error and of what hangs on it."""
    if error is None:
        return ""
    own = [repr(error), str(error), repr(vars(error)), *getattr(error, "__notes__", [])]
    return "".join([*own, everything_of(error.__cause__), everything_of(error.__context__)])


def raising(error: BaseException) -> Any:
    def work() -> None:
        try:
            raise KeyError(VALUE)
        except KeyError:
            raise error from None  # hangs on it nevertheless

    return work


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(VALUE), PipelineError),
        (Torn(VALUE), PipelineError),
        (SystemExit(VALUE), PipelineError),
        (GeneratorExit(VALUE), PipelineError),
        (ExceptionGroup(VALUE, [ValueError(VALUE)]), PipelineError),
        (KeyboardInterrupt(VALUE), KeyboardInterrupt),
        (UsageError("a wrong setting"), UsageError),
        (defect("a known failure", next_step="none"), PipelineError),
    ],
)
def test_an_error_leaves_alone(error: BaseException, expected: type[BaseException]) -> None:
    value, left = contained(raising(error))
    assert value is None
    assert isinstance(left, expected)
    assert VALUE not in everything_of(left)


def test_a_signal_at_any_line_of_the_handling_leaves_alone() -> None:
    """Python runs a signal's handler between two lines, if not sooner: it is raised at each."""
    codes = {containment.contained.__code__, containment._caught.__code__}
    struck = 0
    for line in range(1, 100):
        has_struck, left = _interrupted_at(line, codes)
        assert VALUE not in everything_of(left)
        if not has_struck:
            break
        struck += 1
    assert struck > 10


def _interrupted_at(line: int, codes: set[CodeType]) -> tuple[bool, BaseException | None]:
    passed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal passed
        if frame.f_code not in codes:
            return None
        passed += event == "line"
        if passed == line:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return trace

    before, left = sys.gettrace(), None
    sys.settrace(trace)
    try:
        _, left = contained(raising(ValueError(VALUE)))
    except KeyboardInterrupt as interrupt:
        left = interrupt
    finally:
        sys.settrace(before)
    return passed >= line, left
