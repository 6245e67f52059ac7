"""Measures days of some sizes in every place, and what stands beside them; tells, keeps, draws."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from vye_pipeline_tests.bench import (
    analysts_page,
    dagster_runs,
    feed,
    floors,
    growth,
    history,
    machine,
    page,
    production,
    rivals,
    row_by_row,
    run,
    start_up,
    ten_years,
)
from vye_pipeline_tests.bench.pipeline import fill
from vye_pipeline_tests.bench.places import EVERYWHERE_UP_TO, SERVER, Place, opened, places_for
from vye_pipeline_tests.bench.processes import in_a_process

SIZES = (10_000, 100_000, 1_000_000)
ROW_BY_ROW = 10_000
LEAST = 1_000  # users: fewer have not lines enough for BDN's faults


def measure_day(place: Place, users: int, *, with_rivals: bool) -> dict[str, Any]:
    """Runs and verifies a day, then times the floors of its stages.

    Args:
        place: where.
        users: how many verify.
        with_rivals: whether to time what else could do the work too; PostgreSQL only.

    Returns:
        The figures, as JSON can hold them.
    """
    with opened(place) as (settings,):
        in_a_process(fill, settings, users)
        egress, rendered = in_a_process(run.timed_egress, settings)
        in_a_process(run.answer_all, settings)
        reconcile = in_a_process(run.timed_reconcile, settings)
        return {
            "place": str(place),
            "users": users,
            "records": run.verify(settings, users, rendered),
            "egress": egress.as_json(),
            "reconcile": reconcile.as_json(),
            "floors": in_a_process(floors.measure, settings),
            "identity": in_a_process(floors.identity, settings),
            **({"rivals": rivals.measure(settings)} if with_rivals else {}),
        }


def measure_row_by_row(users: int = ROW_BY_ROW) -> dict[str, float]:
    """Lets the pipeline and the row-by-row writer write the same day."""
    with opened(SERVER) as (settings,):
        in_a_process(fill, settings, users)
        in_a_process(run.timed_egress, settings)
        return in_a_process(row_by_row.measure, settings)


PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "row by row": measure_row_by_row,
    "dagster": dagster_runs.measure,
    "start-up": start_up.measure,
    "history": history.measure,
    "ten years": ten_years.measure,
    "growth": growth.measure,
    "feed": feed.measure,
    "production": production.measure,
    "analysts' page": analysts_page.measure,
}


@click.command()
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(min=LEAST),
    multiple=True,
    default=SIZES,
    show_default=True,
    help="users of a day",
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(["days", *PARTS]),
    multiple=True,
    help="only this; all by default",
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write the figures there")
@click.option("--write-page", is_flag=True, help="write docs/performance.md and its plots")
def main(
    sizes: tuple[int, ...], parts: tuple[str, ...], file: Path | None, *, write_page: bool
) -> None:
    """Time days of some sizes, stage by stage, beside their floors and rivals."""
    wanted = parts or ("days", *PARTS)
    if "days" in wanted:
        machine.refuse_what_does_not_fit(max(sizes))
    measured: dict[str, Any] = {
        "command": _command(sizes, parts),
        "machine": machine.description(),
    }
    if "days" in wanted:
        measured["days"] = [
            _told(
                f"{users:,} users, {place}",
                partial(
                    measure_day,
                    place,
                    users,
                    with_rivals=place == SERVER and users <= EVERYWHERE_UP_TO,
                ),
            )
            for users in sorted(set(sizes))
            for place in places_for(users)
        ]
    for name, measure in PARTS.items():
        if name in wanted:
            measured[name] = _told(name, measure)
    page.show(measured, Console(width=120))
    if file:
        file.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    if write_page:
        page.write(measured)


def _command(sizes: tuple[int, ...], parts: tuple[str, ...]) -> str:
    """Returns how to ask for the same again."""
    asked = [] if sizes == SIZES else [f"--size {users}" for users in sizes]
    asked += [f"--part '{part}'" for part in parts]
    return f'make bench ASKED="{" ".join(asked)}"' if asked else "make bench"


def _told(what: str, measure: Callable[[], Any]) -> Any:
    """Says what is measured while it is: a day of a million users takes minutes."""
    sys.stderr.write(f"measuring {what} ...\n")
    return measure()


if __name__ == "__main__":
    main()
