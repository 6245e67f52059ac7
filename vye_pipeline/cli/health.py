"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How something is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        subject: what was looked at.
        health: how it is.
        words: what was found.
        remedy: what to do; empty where there is nothing to do.
    """

    subject: str
    health: Health
    words: str
    remedy: str = ""
