"""docs/performance.md and its plots, and what the terminal shows: all from the measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.bench import scale
from vye_pipeline_tests.bench.places import SERVER
from vye_pipeline_tests.bench.stopwatch import STAGES, THE_REST
from vye_pipeline_tests.bench.targets import Measurements, floor_of, outcomes, usual_size

DOCS = CHECKOUT / "docs"
STEPS = ("egress", "reconcile")
MEBIBYTE, GIBIBYTE = 2**20, 2**30
MEMORIES = (2, 8, 32)  # GiB
STAGES_PLOT, SIZES_PLOT, DATA = "stages.svg", "sizes.svg", "bench.json"
WAYS = """## How it is measured

- A day: every user verifies, one in ten changes the bank account and the address; ids, names and
  SSNs (from 900-00-0001) are made up. Egress and reconciliation each run in a process of their own,
  over all kinds; the time begins when databases and stores are connected.
- BDN rejects, drops, garbles and delays 20 lines of each of the first two files, and refuses the
  third. Before any figure is told, the files that lie in the store must be what was rendered, and
  the records of each status as many as these faults imply.
- A stage's seconds are its own: a digest within a put counts once, as digest. `the rest` is what is
  in no stage, so that the shares add up to 100 %. `identity` is a part of `read`, not counted
  again: the query's COPY less the same without its join to the identities.
- Peak memory is of the process, from the beginning of the stage to its end.
- A floor is the least that has to be done with the same rows: COPY out of the same query, COPY of
  ready-made rows into a table with the same indexes and checks (on SQLite fetchall and
  executemany), the same rules in Arrow, a join of ready-made fields, hashlib, zstd and Fernet and
  a bare write, Arrow's CSV reader, a polars full join that classifies nothing. Floors and rivals
  are medians of three or seven, in turn with what they are compared with; a day is run once.
- `row by row` works as the production job does: pages of 1,000, a query per record for its
  user_info, profile and identity, formatted in Python. Its bytes are held to the pipeline's.
- The diff and its rivals get the day's acknowledgements of the verifications, in no order. A line
  that BDN has lost moves all after it to other numbers; `no line lost` is the same without that.
- More than a million users are measured on PostgreSQL and a folder only, without rivals: it is the
  growth that they are asked for.
- to_sql and read_fwf take the first 100,000 rows. datacompy is measured on frames of pandas; on
  those of polars it is told beside.
- Dagster: warm runs in one process, in turn with the bare functions and with empty runs: the same
  assets, what depends on what, and the same checks, but nothing is done. Without checks they are
  told beside, as a target of its own: it counts steps alone. Imports and commands: whole processes,
  the median of seven.
- Ten years: 60 records a day, all acknowledged, on both databases; commands are whole processes,
  and `schedule`, `arrivals` and `watch` what the daemon asks in a tick, without Dagster's own part.
  The page shows a year, so it is compared with that.
- Growth: days of 20,000 users, run with Dagster on SQLite and folders and answered by BDN; what
  each one leaves, times 250.
- Feed: 700,000 lines with every field filled; bare is the same split, trimmed, and dates and
  numbers cast.
- Production: a day in its shape, on SQLite and a folder; KMS is a stand-in in another process that
  waits 20 ms before each answer. Decrypting is timed once more where the data keys are known.
- The analysts' page: 75,000 records of 6,000 user profiles in a ledger on SQLite; `vye report` is a
  whole process, a filter counts from its input to the list as Chromium has drawn it.
- PostgreSQL is a server on the same machine with fsync and autovacuum off, so that nothing else
  goes on meanwhile; S3 is moto's server, on the same machine too.
"""


def show(measurements: Measurements, console: Console) -> None:
    """Prints the tables."""
    for one in measurements.get("days", []):
        table = _table(("stage", *HEADS), f"{one['place']}, {one['users']:,} users")
        for row in _rows(one):
            table.add_row(*row)
        console.print(table)
    console.print(_filled(("what", "seconds"), "beside it", _beside(measurements)))
    rows = [outcome.in_words for outcome in outcomes(measurements)]
    console.print(_filled(("target", "limit", "measured", ""), "targets", rows))


def write(measurements: Measurements, docs: Path = DOCS) -> None:
    """Writes the page, its plots and the data."""
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_text(json.dumps(measurements, indent=1) + "\n", encoding="utf-8")
    _plot(measurements, folder)
    (docs / "performance.md").write_text(page(measurements), encoding="utf-8")
    larger = scale.text(measurements)
    if larger is not None:
        (docs / scale.PAGE).write_text(larger, encoding="utf-8")


def page(measurements: Measurements) -> str:
    """Returns the page."""
    machine = ", ".join(f"{name} {value}" for name, value in measurements["machine"].items())
    parts = [
        "# Performance\n",
        f"Written by `{measurements['command']}` on: {machine}. The same figures as data: "
        f"[{DATA}](performance/{DATA}).\n",
        "## Targets\n",
        f"At {usual_size(measurements):,} users, but for the growth. The rates of lines are for a "
        "machine like this one; the ratios are of one run and hold anywhere.\n",
        _markdown(
            ("target", "limit", "measured", ""),
            (outcome.in_words for outcome in outcomes(measurements)),
        ),
        *_capacity(measurements),
        "## Time by stage\n",
        f"![Time by stage](performance/{STAGES_PLOT})\n",
        f"![Time against size](performance/{SIZES_PLOT})\n",
        *(_section(one) for one in measurements.get("days", [])),
        "## Beside it\n",
        _markdown(("what", "seconds"), _beside(measurements)),
        WAYS,
    ]
    return "\n".join(parts)


def _capacity(measurements: Measurements) -> list[str]:
    """Says what a day may hold in a given memory: a straight line through two measured days."""
    measured = sorted(
        (one["records"], max(one[step]["peak_bytes"] for step in STEPS))
        for one in measurements.get("days", [])
        if one["place"].startswith(SERVER.database)
    )
    if len({records for records, _ in measured}) <= 1:
        return []
    (few, small), (many, large) = measured[0], measured[-1]
    a_record = (large - small) / (many - few)
    base = small - a_record * few
    rows = (
        (f"{memory} GiB", f"{(memory * GIBIBYTE - base) / a_record / 1_000_000:,.0f} million")
        for memory in MEMORIES
    )
    return [
        "## What a day may hold\n",
        f"The peak of a run's process grew from {small / MEBIBYTE:,.0f} MiB at {few:,} records of "
        f"all kinds to {large / MEBIBYTE:,.0f} MiB at {many:,}: {a_record:,.0f} bytes per record. "
        "Computed from that, with nothing else on the machine:\n",
        _markdown(("memory of a run", "records of a day"), rows),
    ]


def _section(one: dict[str, Any]) -> str:
    heading = f"### {one['place']}, {one['users']:,} users, {one['records']:,} records\n"
    return f"{heading}\n{_markdown(('stage', *HEADS), _rows(one))}"


HEADS = ("seconds", "share", "records/s", "peak MiB", "floor, seconds")


def _rows(one: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Returns the rows of a day: each step's stages, then all of it."""
    whole = sum(one[step]["seconds"] for step in STEPS)
    for step in STEPS:
        for name in STAGES:
            if name in one[step]["stages"]:
                stage = one[step]["stages"][name]
                bare = one["floors"][step].get(name)
                yield _row(f"{step}: {name}", stage, whole, one["records"], bare)
                if name == "read":
                    yield _identity(one)
        step_floor = floor_of(one, step)
        yield _row(f"{step}, all of it", one[step], whole, one["records"], step_floor)


def _row(
    name: str, stage: dict[str, Any], whole: float, records: int, bare: float | None
) -> tuple[str, ...]:
    taken = stage["seconds"]
    return (
        name,
        f"{taken:.3f}",
        f"{taken / whole:.1%}",
        f"{records / taken:,.0f}" if taken else "",
        f"{stage['peak_bytes'] / MEBIBYTE:,.0f}",
        "" if bare is None else f"{bare:.3f}",
    )


def _identity(one: dict[str, Any]) -> tuple[str, ...]:
    taken = one["identity"]["stage"]
    rate = f"{one['records'] / taken:,.0f}" if taken else ""
    return (
        "egress: of that, identity",
        f"{taken:.3f}",
        "(in read)",
        rate,
        "",
        f"{one['identity']['floor']:.3f}",
    )


def _beside(measurements: Measurements) -> list[tuple[str, str]]:
    """Returns all other figures, each with its part."""
    parts = {name: measurements[name] for name in PARTS if name in measurements}
    for one in measurements.get("days", []):
        for pair, figures in one.get("rivals", {}).items():
            parts[f"{one['users']:,} users, {pair.replace('_', ' ')}"] = figures
    return [
        (f"{part}: {name}", f"{value:,.4f}" if isinstance(value, float) else f"{value:,}")
        for part, figures in parts.items()
        for name, value in figures.items()
    ]


PARTS = (
    "row by row",
    "dagster",
    "start-up",
    "history",
    "ten years",
    "growth",
    "feed",
    "production",
    "analysts' page",
)


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *("--:" for _ in heads[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _table(heads: Sequence[str], title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _filled(heads: Sequence[str], title: str, rows: Iterable[Sequence[str]]) -> Table:
    table = _table(heads, title)
    for row in rows:
        table.add_row(*row)
    return table


def _plot(measurements: Measurements, folder: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    days = measurements.get("days", [])
    with mpl.rc_context({"svg.hashsalt": "bench", "font.size": 9}):
        for name, draw in ((STAGES_PLOT, _draw_stages), (SIZES_PLOT, _draw_sizes)):
            figure = Figure(figsize=(9, 5), layout="constrained")
            draw(figure.subplots(), days)
            figure.savefig(folder / name, metadata={"Date": None})


def _draw_stages(axes: Any, days: list[dict[str, Any]]) -> None:
    """Draws a bar a place, of the largest day that was measured in each, and a colour a stage."""
    from matplotlib import colormaps

    users = usual_size({"days": days})
    usual = [one for one in days if one["users"] == users]
    begins, colours = [0.0] * len(usual), colormaps["tab20"]
    for number, stage in enumerate(STAGES):
        taken = [
            sum(one[step]["stages"].get(stage, {}).get("seconds", 0) for step in STEPS)
            for one in usual
        ]
        places = [one["place"] for one in usual]
        axes.barh(
            places,
            taken,
            left=begins,
            label=stage,
            color="lightgrey" if stage == THE_REST else colours(number),
        )
        begins = [begin + one for begin, one in zip(begins, taken, strict=True)]
    axes.set_xlabel(f"seconds, a day of {users:,} users")
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _draw_sizes(axes: Any, days: list[dict[str, Any]]) -> None:
    """Draws a line a place and step: seconds against records, both logarithmic."""
    for place in dict.fromkeys(one["place"] for one in days):
        for step, style in zip(STEPS, ("o-", "s--"), strict=True):
            mine = sorted(
                (one["records"], one[step]["seconds"]) for one in days if one["place"] == place
            )
            axes.loglog(*zip(*mine, strict=True), style, label=f"{place}: {step}")
    axes.set_xlabel("records")
    axes.set_ylabel("seconds")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
