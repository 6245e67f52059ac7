"""docs/decade.md: written by `make decade`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.decade.decade import Decade

PAGE = CHECKOUT / "docs" / "decade.md"
HEAD = """# Years of days

Written by `{command}`: VYE, the daemon's looks, BDN's answers and the people who see to what is
open, day after day, in one process with a time of its own. The days are small, on SQLite and
folders; the pipeline's code is the real one. What is looked at: each record that VYE has closed is
claimed once and delivered once, no newer change is overwritten by an older one, no status says
anything else than BDN's answer, VYE is never jammed by a clone that the pipeline has seen, and in
the end no day is left failed.
"""
STORES = """
## What a year leaves

Each store at the end of the year, and its files. The ledger and the object store grow with the
records and files that they keep; the snapshots, from where `VYE_RETENTION_DAYS` ({retention})
begins to count, with the announcements and records of deliveries alone, which are kept.
"""
TIMES = """
## What the questions take

Milliseconds at the end of each year, medians; `egress` of one kind and `reconcile` of one day are
medians over the year. `report` has its 250 days from the second year on.
"""


def text(command: str, decade: Decade, faults: Sequence[str]) -> str:
    """Returns the page.

    Args:
        command: that makes it again.
        decade: which has run.
        faults: what went wrong in it.
    """
    years = decade.years
    newest = years[-1]
    counts = [
        ("from", f"{decade.first}"),
        ("to", f"{decade.first + timedelta(days=decade.days - 1)}"),
        ("days with a delivery", f"{newest.days:,}"),
        ("records", f"{newest.records:,}"),
        *((name, f"{count:,}") for name, count in sorted(decade.happened.items())),
        ("**faults**", f"**{len(faults)}**"),
    ]
    stores, questions = list(newest.megabytes), list(newest.seconds)
    held = [
        (
            f"{one.year}",
            f"{one.days:,}",
            f"{one.records:,}",
            f"{one.open_records:,}",
            *(f"{one.megabytes[name]:.1f} MB, {one.objects[name]:,}" for name in stores),
        )
        for one in years
    ]
    took = [
        (f"{one.year}", *(f"{one.seconds.get(name, 0) * 1000:,.0f}" for name in questions))
        for one in years
    ]
    return "".join(
        [
            HEAD.format(command=command),
            "\n",
            _table(("what happened", "how often"), counts),
            *(f"\n- {fault}" for fault in faults),
            STORES.format(retention=decade.retention_days),
            "\n",
            _table(
                ("end of", "days", "records", "open", *(f"{one}, files" for one in stores)), held
            ),
            TIMES,
            "\n",
            _table(("end of", *questions), took),
        ]
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *("--:" for _ in heads[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
