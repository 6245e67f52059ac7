"""Whether an acknowledgement can be of our file at all, by the time in its header.

One from before the file can have been with BDN, or from the future, says nothing about it: another
system may have sent a file of the same name (bdn-interface.md, part 3). Pure: no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import ceil

from vye_pipeline.business_days import CHICAGO

CLOCKS_DIFFER = timedelta(minutes=15)
FUTURE = timedelta(days=1)


class Ignored(StrEnum):
    """Why an acknowledgement doesn't count."""

    EARLY = "early"
    FUTURE = "future"


@dataclass(frozen=True)
class Judgement:
    """What an acknowledgement's time of receipt makes of it.

    Attributes:
        received_at: in UTC; of the two readings of an ambiguous hour the one that counts.
        ignored_because: None where it counts.
        hours_early: of an early one, how many whole hours later it would count; else None.
    """

    received_at: datetime
    ignored_because: Ignored | None = None
    hours_early: int | None = None


def judge(received_at: datetime, first_try: datetime, read_at: datetime) -> Judgement:
    """Decides whether an acknowledgement counts; it is decided once, when it is read first.

    Args:
        received_at: by its header, with zone.
        first_try: since when BDN can have had the file, with zone.
        read_at: when the acknowledgement was read first, with zone.
    """
    earliest, latest = first_try - CLOCKS_DIFFER, read_at + FUTURE
    later = received_at.astimezone(CHICAGO).replace(fold=1).astimezone(UTC)
    readings = (received_at.astimezone(UTC), later)
    for reading in readings:
        if earliest <= reading <= latest:
            return Judgement(reading)
    if later > latest:
        return Judgement(readings[0], Ignored.FUTURE)
    hours = ceil((earliest - later) / timedelta(hours=1))
    return Judgement(readings[0], Ignored.EARLY, hours)
