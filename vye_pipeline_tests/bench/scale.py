"""docs/scale.md: what days take that are larger than measured ones, and on more machines.

A straight line through two measured days gives seconds and memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from vye_pipeline.egress.size import MOST_BYTES, most_bytes
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline_tests.bench.places import SERVER

PAGE = "scale.md"
SIZES = (1_000_000, 10_000_000, 100_000_000)
MACHINES = (1, 4, 16)
BACKFILLED = 10  # days
RUNS_AT_ONCE = 4  # docs/deployment/dagster.yaml
MILLION, GIBIBYTE = 1_000_000, 2**30
STEPS = ("egress", "reconcile")
SAMPLE = 1_000
VERIFICATION = {
    "stub_nm": "PMLINDE", "ssn": "900000001", "transact_date": "20250401", "rpo_code": "307",
    "indicator": "A", "source_ind": "W",
}  # fmt: skip
HEAD = """# Scale

Written by `make bench`, computed from two of its measured days on PostgreSQL and a folder
({small:,} and {large:,} records, one run on a machine of {cores} cores): seconds and memory grow in
proportion between them, and are taken to do so beyond. One record in twelve changes the bank
account, one the address, the others are verifications.

| records of a day | egress | reconcile | memory of a run | ten such days on 1, 4, 16 machines |
| --: | --: | --: | --: | --: |
"""
FOOT = """
The estimate that refuses a file is of {most:,.0f} million verifications a day (2 GiB,
`vye_pipeline/egress/size.py`): a larger day is refused before anything is claimed.

- A day is one run, and one egress goes out at a time, oldest first: more machines don't shorten it.
  Reconciliations run beside the egress of later days, up to four runs at once, so a second machine
  helps a backfill and a fifth doesn't.
- What takes the time is PostgreSQL: reading by COPY, and writing claims and statuses into tables
  with indexes. A server with faster disks and more cores shortens both; the pipeline's own share is
  on [performance.md](performance.md).
- What would lift the ceiling: large Arrow offsets for the 2 GiB, rendering in parts for the memory,
  and a run for each kind for the time, as the kinds share nothing but the clones' flags.
"""


@dataclass(frozen=True)
class Line:
    """A straight line through two measured days."""

    base: float
    a_record: float

    @classmethod
    def through(cls, small: tuple[int, float], large: tuple[int, float]) -> Line:
        """Returns the line through two points: records and what they took."""
        slope = (large[1] - small[1]) / (large[0] - small[0])
        return cls(small[1] - slope * small[0], slope)

    def at(self, records: int) -> float:
        """Returns what so many records take."""
        return self.base + self.a_record * records


def text(measurements: dict[str, Any]) -> str | None:
    """Returns the page; None where fewer than two days were measured."""
    days = sorted(
        (one for one in measurements.get("days", []) if one["place"] == str(SERVER)),
        key=lambda one: int(one["records"]),
    )[-2:]
    if len(days) <= 1:
        return None
    small, large = days

    def line(step: str, figure: str) -> Line:
        return Line.through(*((one["records"], one[step][figure]) for one in days))

    seconds = {step: line(step, "seconds") for step in STEPS}
    memory = [line(step, "peak_bytes") for step in STEPS]
    most = most_verifications()
    return (
        HEAD.format(
            small=small["records"],
            large=large["records"],
            cores=measurements["machine"].get("cores", "some"),
        )
        + "".join(
            _row(records, seconds, max(one.at(records) for one in memory), most)
            for records in SIZES
        )
        + FOOT.format(most=most / MILLION)
    )


def most_verifications() -> int:
    """Returns how many verifications a day may have."""
    sample = pd.DataFrame([VERIFICATION] * SAMPLE, dtype="str")
    return MOST_BYTES * SAMPLE // most_bytes(VERIFICATIONS, sample)


def _row(records: int, seconds: dict[str, Line], memory: float, most: int) -> str:
    egress, reconcile = (seconds[step].at(records) for step in STEPS)
    if records * 10 // 12 > most:
        return f"| {records:,} | refused | | {memory / GIBIBYTE:,.1f} GiB | |\n"
    ten = " / ".join(_spent(_backfill(egress, reconcile, machines)) for machines in MACHINES)
    return (
        f"| {records:,} | {_spent(egress)} | {_spent(reconcile)} | {memory / GIBIBYTE:,.1f} GiB "
        f"| {ten} |\n"
    )


def _backfill(egress: float, reconcile: float, machines: int) -> float:
    """Returns the seconds of days, a run a machine: egress in turn, reconciliations beside it."""
    if machines == 1:
        return BACKFILLED * (egress + reconcile)
    beside = BACKFILLED * reconcile / (min(machines, RUNS_AT_ONCE) - 1)
    return max(BACKFILLED * egress, egress + beside) + reconcile


def _spent(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
