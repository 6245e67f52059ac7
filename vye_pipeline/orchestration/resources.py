"""What assets are given: the pipeline they work on and the time it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vye_pipeline.context import Context

PIPELINE = "pipeline"
CLOCK = "clock"
NOTIFIER = "notifier"
METRICS = "metrics"


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """The time, so that a rehearsal of past days can set it.

    Attributes:
        now: returns the time in UTC.
    """

    now: Callable[[], datetime] = field(default=_utc_now)


__all__ = ["CLOCK", "METRICS", "NOTIFIER", "PIPELINE", "Clock", "Context"]
