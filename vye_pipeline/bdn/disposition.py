"""How an acknowledgement answers (bdn-interface.md, part 3)."""

from __future__ import annotations

from enum import StrEnum


class Disposition(StrEnum):
    """What an acknowledgement says of the lines that it doesn't list."""

    FULL = "F"
    REJECTS_ONLY = "R"
    REFUSED = "X"
