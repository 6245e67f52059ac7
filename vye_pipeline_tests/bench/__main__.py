"""Runs every size on both databases, and prints a table or JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from vye_pipeline_tests.bench.stopwatch import STAGES

DATABASES = ("postgresql", "sqlite")
SIZES = (10_000, 100_000, 1_000_000)
DISK_BYTES_A_USER = 6_000
MEBIBYTE = 2**20


@click.command()
@click.option("--size", "sizes", type=click.IntRange(min=1_000), multiple=True, default=SIZES)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def main(sizes: tuple[int, ...], as_json: bool) -> None:
    """Time days of some sizes, stage by stage."""
    _refuse_what_does_not_fit(max(sizes))
    measured = [_run(database, size) for size in sizes for database in DATABASES]
    if as_json:
        click.echo(json.dumps(measured, indent=2))
    else:
        _show(measured)


def _refuse_what_does_not_fit(users: int) -> None:
    needed, free = users * DISK_BYTES_A_USER, shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise click.UsageError(
            f"{users} users need about {needed // MEBIBYTE} MiB in {tempfile.gettempdir()}, "
            f"{free // MEBIBYTE} are free: set TMPDIR to a larger disk, or --size"
        )


def _run(database: str, users: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "vye_pipeline_tests.bench.run", database, str(users)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _show(measured: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("seconds", no_wrap=True)
    for one in measured:
        table.add_column(f"{one['database']}\n{one['users']:,}", justify="right")
    for stage in STAGES:
        table.add_row(stage, *(f"{one['stages'].get(stage, 0):.2f}" for one in measured))
    for name in ("egress_seconds", "reconcile_seconds"):
        words = f"{name.removesuffix('_seconds')}, all of it"
        table.add_row(words, *(f"{one[name]:.2f}" for one in measured))
    rates = (
        one["records"] / (one["egress_seconds"] + one["reconcile_seconds"]) for one in measured
    )
    table.add_row("records a second", *(f"{rate:,.0f}" for rate in rates))
    table.add_row("peak MiB", *(f"{one['peak_bytes'] / MEBIBYTE:,.0f}" for one in measured))
    Console().print(table)


if __name__ == "__main__":
    main()
