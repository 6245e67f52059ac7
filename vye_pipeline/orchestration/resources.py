"""What assets are given: the pipeline they work on and the time it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vye_pipeline.context import Context

PIPELINE = "pipeline"
CLOCK = "clock"
NOTIFIER = "notifier"
METRICS = "metrics"


@dataclass(frozen=True)
class Clock:
    """The time, so that a rehearsal of past days can set it.

    Attributes:
        now: returns the time in UTC.
    """

    now: Callable[[], datetime]


__all__ = ["CLOCK", "METRICS", "NOTIFIER", "PIPELINE", "Clock", "Context"]
