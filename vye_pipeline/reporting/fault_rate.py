"""Whether unusually many or few of a day's records have a fault. Pure: no I/O, no clock.

A day's count is far from usual if chance doesn't explain it: more than four standard deviations of
a binomial distribution with the usual rate, and some records more, since days are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

STANDARD_DEVIATIONS = 4
FREE_RECORDS = 3
LEAST_DAYS = 5


@dataclass(frozen=True)
class Faults:
    """How many of a day's records have a fault: lines that BDN rejected, or quarantined records."""

    fault_count: int
    record_count: int


def usual_rate(earlier: Sequence[Faults]) -> float | None:
    """Returns the share of records that have the fault, None if too few days are known."""
    records = sum(day.record_count for day in earlier)
    if len(earlier) < LEAST_DAYS or not records:
        return None
    return sum(day.fault_count for day in earlier) / records


def is_usual(day: Faults, rate: float | None) -> bool:
    """Says whether a day's faults are near the usual rate; of an unknown one any are."""
    return rate is None or abs(day.fault_count - _expected(day, rate)) <= _chance(day, rate)


def is_unusually_high(day: Faults, rate: float | None) -> bool:
    """Says whether a day has more faults than chance explains; of an unknown rate none has."""
    return rate is not None and day.fault_count > _expected(day, rate) + _chance(day, rate)


def _expected(day: Faults, rate: float) -> float:
    return day.record_count * rate


def _chance(day: Faults, rate: float) -> float:
    return STANDARD_DEVIATIONS * sqrt(_expected(day, rate) * max(1 - rate, 0)) + FREE_RECORDS
