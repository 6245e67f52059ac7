"""docs/reliability.md: written by `make trials` from what its processes have handed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from vye_pipeline.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "reliability.md"
OPTION = "--write-page"
HANDED_IN = "rows of docs/reliability.md"
HEAD = """# Reliability

What was done to a run, how often, and what became of the records: written by `make trials`.
A trial is a fault at one place, then the same command again; at its end ledger and store must
agree, and BDN must have what it would have had without the fault.

| fault | trials | records lost | records sent twice |
| --- | --- | --- | --- |
"""


@dataclass
class Row:
    """A row of the page."""

    fault: str
    trials: int = 0
    lost: int = 0
    twice: int = 0


def hand_in(config: pytest.Config, rows: Iterable[Row]) -> None:
    """Gives a process's rows to the one that writes the page, or writes it if there is but one."""
    given = [asdict(row) for row in rows]
    if hasattr(config, "workeroutput"):
        config.workeroutput[HANDED_IN] = given
    elif config.getoption(OPTION):
        write(given)


def write(rows: Iterable[dict[str, Any]]) -> None:
    """Writes the page."""
    ordered = sorted((Row(**row) for row in rows), key=lambda row: row.fault)
    lines = [f"| {row.fault} | {row.trials} | {row.lost} | {row.twice} |\n" for row in ordered]
    count = sum(row.trials for row in ordered)
    total = f"\n{len(ordered)} kinds of fault, {count} trials.\n"
    PAGE.write_text(HEAD + "".join(lines) + total, encoding="utf-8")
