"""What people have to know: a subject with its news."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """Something that people have to know.

    Attributes:
        subject: what it is about; the same from its beginning to its end.
        facts: its news.
        text: all of it, in words.
        all_clear: what is said when it is gone; nothing if None.
    """

    subject: str
    facts: frozenset[str]
    text: str
    all_clear: str | None = None
