"""docs/decade.md: written by `make decade`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.decade.decade import Decade

PAGE = CHECKOUT / "docs" / "decade.md"
HEAD = """# Ten years of days

Written by `{command}`: VYE, the daemon, BDN and the people who work the open items, day after day,
in one process with simulated time. The days are small, on SQLite and folders; the pipeline's code
is the real one. Each record that VYE has closed must be claimed once and delivered once; no older
change may overwrite a newer one; every status must agree with BDN's answer; no clone that the
pipeline has read may keep VYE from activating its next one; and in the end no day may be left
failed.
"""
STORES = """
## What a year leaves

Each store at the end of the year: its size, and its files. The ledger and the object store grow
with the records and files that they keep. Once `VYE_RETENTION_DAYS` ({retention}) have passed, the
snapshots grow by the announcements and records of deliveries alone, which are kept.
"""
TIMES = """
## How long the questions take

Milliseconds at the end of each year, medians of three; `egress` of one kind and `reconcile` of one
day are medians over the year. `report` shows 250 days, so it grows into the second year.
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
            _table(("what happened", "count"), counts),
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
