"""docs/compatibility.md: written by `make trials`."""

from __future__ import annotations

from dataclasses import dataclass

from vye_pipeline_tests.pages import Page, Rows

HEAD = """# Compatibility

Servers, versions, settings and inputs that were tried, and what came of it: written by
`make trials`. What is refused is refused with these words, before anything is sent.

| with | tried | outcome | words |
| --- | --- | --- | --- |
"""
WORKS, REFUSED, NOT_TRIED = "works", "refused", "not tried"


@dataclass(frozen=True, order=True)
class Row:
    """A row of the page.

    Attributes:
        peer: the server or client and its version.
        tried: the setting, input or fault.
        outcome: WORKS, REFUSED or NOT_TRIED.
        words: what a person is told; nothing where it simply works.
    """

    peer: str
    tried: str
    outcome: str = WORKS
    words: str = ""


def text(rows: Rows) -> str:
    """Returns the page."""
    ordered = sorted({Row(**row) for row in rows})
    lines = [
        f"| {' | '.join(part.replace('|', '/') for part in vars(row).values())} |\n"
        for row in ordered
    ]
    counts = ", ".join(
        f"{sum(row.outcome == outcome for row in ordered)} {outcome}"
        for outcome in (WORKS, REFUSED, NOT_TRIED)
    )
    return HEAD + "".join(lines) + f"\n{len(ordered)} rows: {counts}.\n"


PAGE = Page("compatibility.md", text)
