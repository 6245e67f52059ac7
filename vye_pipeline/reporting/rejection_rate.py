"""Whether BDN rejects unusually many or few of a day's lines. Pure: no I/O, no clock.

A day's count is far from usual if chance doesn't explain it: more than four standard deviations of
a binomial distribution with the usual rate, and some lines more, since days are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

STANDARD_DEVIATIONS = 4
FREE_LINES = 3
LEAST_DAYS = 5


@dataclass(frozen=True)
class Rejections:
    """How many of a file's lines BDN rejected."""

    rejected_count: int
    line_count: int


def usual_rate(earlier: Sequence[Rejections]) -> float | None:
    """Returns the share of lines that BDN rejects, None if too few days are known."""
    lines = sum(day.line_count for day in earlier)
    if len(earlier) < LEAST_DAYS or not lines:
        return None
    return sum(day.rejected_count for day in earlier) / lines


def is_usual(day: Rejections, rate: float | None) -> bool:
    """Says whether a day's rejections are near the usual rate; of an unknown one any are."""
    if rate is None:
        return True
    expected = day.line_count * rate
    chance = STANDARD_DEVIATIONS * sqrt(expected * max(1 - rate, 0)) + FREE_LINES
    return abs(day.rejected_count - expected) <= chance
