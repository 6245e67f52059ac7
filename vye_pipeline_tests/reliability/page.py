"""docs/reliability.md: written by `make trials`."""

from __future__ import annotations

from dataclasses import dataclass

from vye_pipeline_tests.pages import Page, Rows

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


def text(rows: Rows) -> str:
    """Returns the page."""
    ordered = sorted((Row(**row) for row in rows), key=lambda row: row.fault)
    lines = [f"| {row.fault} | {row.trials} | {row.lost} | {row.twice} |\n" for row in ordered]
    count = sum(row.trials for row in ordered)
    return HEAD + "".join(lines) + f"\n{len(ordered)} kinds of fault, {count} trials.\n"


PAGE = Page("reliability.md", text)
