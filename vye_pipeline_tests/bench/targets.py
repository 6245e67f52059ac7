"""The targets: each in words, its figure out of the measurements, and the limit that holds for it.

All but six are ratios of the same run, so that they hold on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vye_pipeline_tests.bench import ten_years
from vye_pipeline_tests.bench.places import EMBEDDED, EVERYWHERE_UP_TO, SERVER

BYTES_A_RECORD, BYTES_OF_ANY_RUN = 1_500, 400_000_000
GROWTH_FROM = 100_000
MILLION = 1_000_000

Measurements = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A limit that a figure of the measurements must keep.

    Attributes:
        words: what is asked.
        limit: the most, or the least where is_least.
        figure: computes it; a KeyError or StopIteration where it wasn't measured.
        is_least: whether the figure must reach the limit.
        unit: of figure and limit; empty for a ratio.
    """

    words: str
    limit: float
    figure: Callable[[Measurements], float]
    is_least: bool = False
    unit: str = ""

    def outcome(self, measurements: Measurements) -> Outcome:
        """Holds the measurements to the target."""
        try:
            figure = self.figure(measurements)
        except (KeyError, StopIteration):
            return Outcome(self, None)
        return Outcome(self, figure)


@dataclass(frozen=True)
class Outcome:
    """What was measured for a target, None where nothing was."""

    target: Target
    figure: float | None

    @property
    def in_words(self) -> tuple[str, str, str, str]:
        """The target, its limit, the figure, and whether it is met."""
        target = self.target
        limit = f"{'at least' if target.is_least else 'at most'} {_number(target.limit)}"
        if self.figure is None:
            return target.words, f"{limit}{target.unit}", "not measured", ""
        is_met = self.figure >= target.limit if target.is_least else self.figure <= target.limit
        measured = f"{_number(self.figure)}{target.unit}"
        return target.words, f"{limit}{target.unit}", measured, "met" if is_met else "NOT MET"


def outcomes(measurements: Measurements) -> Iterable[Outcome]:
    """Holds the measurements to all targets."""
    return [target.outcome(measurements) for target in TARGETS]


def sizes(measurements: Measurements) -> list[int]:
    """Returns the numbers of users whose days were measured, the smallest first."""
    return sorted({one["users"] for one in measurements.get("days", [])})


def usual_size(measurements: Measurements) -> int:
    """Returns the largest size of those that are measured everywhere; 0 where no day was."""
    measured = sizes(measurements)
    return max(
        (users for users in measured if users <= EVERYWHERE_UP_TO), default=max(measured, default=0)
    )


def day(
    measurements: Measurements, database: str = SERVER.database, users: int = 0
) -> dict[str, Any]:
    """Returns the day of some users on a database, of the usual size by default; on a folder."""
    wanted = users or usual_size(measurements)
    days = (one for one in measurements["days"] if one["place"].startswith(database))
    return next(one for one in days if one["users"] == wanted)


def floor_of(one: dict[str, Any], step: str) -> float:
    """Returns the sum of the floors of a step's stages."""
    return sum(one["floors"][step].values())


def _seconds_a_record(one: dict[str, Any], *steps: str) -> float:
    return sum(one[step]["seconds"] for step in steps) / one["records"]


def _over_row_by_row(given: Measurements) -> float:
    slow = given["row by row"]
    return slow["seconds"] / slow["records"] / _seconds_a_record(day(given), "egress")


def _over_floors(step: str) -> Callable[[Measurements], float]:
    return lambda given: day(given)[step]["seconds"] / floor_of(day(given), step)


def _of(part: str, one: str, other: str) -> Callable[[Measurements], float]:
    """Returns the ratio of two figures of a part."""
    return lambda given: given[part][one] / given[part][other]


def _of_rivals(pair: str, one: str, other: str) -> Callable[[Measurements], float]:
    return lambda given: _rivals(given)[pair][one] / _rivals(given)[pair][other]


def _rate(pair: str, lines: str, taken: str) -> Callable[[Measurements], float]:
    """Returns millions of lines a second."""
    return lambda given: _rivals(given)[pair][lines] / _rivals(given)[pair][taken] / MILLION


def _rivals(given: Measurements) -> dict[str, Any]:
    return day(given)["rivals"]


def _over_to_sql(given: Measurements) -> float:
    one, pair = day(given), _rivals(given)["write_results"]
    ours = one["reconcile"]["stages"]["write results"]["seconds"] / one["records"]
    return pair["to_sql"] / pair["rows of to_sql"] / ours


def _over_read_fwf(given: Measurements) -> float:
    pair = _rivals(given)["parse"]
    return pair["read_fwf"] / pair["lines of read_fwf"] / (pair["ours"] / pair["lines"])


def _memory(given: Measurements) -> float:
    one = day(given)
    allowed = one["records"] * BYTES_A_RECORD + BYTES_OF_ANY_RUN
    return max(one[step]["peak_bytes"] for step in ("egress", "reconcile")) / allowed


def _embedded(given: Measurements) -> float:
    embedded = day(given, EMBEDDED.database)
    return embedded["egress"]["seconds"] / day(given)["egress"]["seconds"]


def _growth(given: Measurements) -> float:
    small, large = day(given, users=GROWTH_FROM), day(given, users=max(sizes(given)))
    steps = ("egress", "reconcile")
    return _seconds_a_record(large, *steps) / _seconds_a_record(small, *steps)


def _slowest_command(given: Measurements) -> float:
    part = given["start-up"]
    slowest = max(taken for name, taken in part.items() if name.startswith("vye "))
    return slowest / part["import dagster"]


TARGETS = (
    Target("egress, a record: faster than row by row", 100, _over_row_by_row, is_least=True),
    Target("egress over the floors of its stages", 2, _over_floors("egress")),
    Target("reconcile over the floors of its stages", 2, _over_floors("reconcile")),
    Target("read over a bare COPY", 1.3, _of_rivals("read", "ours", "bare")),
    Target("write results, a row: faster than to_sql", 8, _over_to_sql, is_least=True),
    Target(
        "render, 29 characters",
        15,
        _rate("render_lines", "lines of 29 characters", "29 characters"),
        is_least=True,
        unit=" M lines/s",
    ),
    Target(
        "render, 14 fields",
        3,
        _rate("render_lines", "lines of 14 fields", "14 fields"),
        is_least=True,
        unit=" M lines/s",
    ),
    Target("parse", 10, _rate("parse", "lines", "ours"), is_least=True, unit=" M lines/s"),
    Target("parse, a line: faster than read_fwf", 25, _over_read_fwf, is_least=True),
    Target("diff over a bare polars full join", 1.5, _of_rivals("diff", "ours", "polars")),
    Target(
        "diff: faster than datacompy", 5, _of_rivals("diff", "datacompy", "ours"), is_least=True
    ),
    Target("diff: memory over polars'", 1, _of_rivals("diff_memory", "compare", "polars")),
    Target("pandera over checks by hand", 2, _of_rivals("validate", "ours", "by hand")),
    Target("peak memory over 1.5 KB per record and 400 MB", 1, _memory),
    Target("egress on SQLite over PostgreSQL", 3, _embedded),
    Target(
        "a warm Dagster run of 100,000 records over the bare functions",
        4,
        _of("dagster", "large day", "bare functions"),
    ),
    Target("time per record, the largest day over 100,000 users", 1.3, _growth),
    Target(
        "a day with five million records of history over one without",
        1.1,
        _of("history", "with", "without"),
    ),
    Target(
        "status, affected, explain, doctor, report: ten years in the ledger over ten days",
        1.5,
        lambda given: ten_years.growth(given["ten years"], ten_years.COMMANDS),
    ),
    Target(
        "a tick of each sensor and schedule: ten years in the ledger over ten days",
        1.5,
        lambda given: ten_years.growth(given["ten years"], ten_years.TICKS),
    ),
    Target("BDN's feed over a bare split and cast", 1.5, _of("feed", "ours", "bare")),
    Target(
        "importing the definitions over importing dagster",
        1.5,
        _of("start-up", "import the definitions", "import dagster"),
    ),
    Target(
        "the slowest of status, affected, explain over importing dagster", 0.5, _slowest_command
    ),
    Target(
        "a day of 400 records over runs of the same steps and checks, empty",
        1.5,
        _of("dagster", "small day", "empty runs"),
    ),
    Target(
        "the same over empty runs without checks",
        1.5,
        _of("dagster", "small day", "empty runs without checks"),
    ),
    Target(
        "a day of a backfill of 30 over runs of the same steps and checks, empty",
        1.5,
        _of("dagster", "backfilled day", "empty runs"),
    ),
    Target(
        "decrypting 20,000 rows of nine columns, beyond KMS",
        1,
        lambda given: given["production"]["decrypt vye_direct_deposit_changes, keys known"],
        unit=" s",
    ),
    Target(
        "a day of 20,000 rows at a KMS of 20 ms",
        120,
        lambda given: given["production"]["a day at a KMS of 20 ms"],
        unit=" s",
    ),
    Target(
        "vye report, 250 days and 5,000 open items",
        10,
        lambda given: given["analysts' page"]["seconds"],
        unit=" s",
    ),
    Target("that page", 3, lambda given: given["analysts' page"]["megabytes"], unit=" MB"),
    Target(
        "a filter of its list",
        200,
        lambda given: given["analysts' page"]["milliseconds"],
        unit=" ms",
    ),
)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
