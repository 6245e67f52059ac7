"""How long it takes until something answers: imports and commands, each in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.bench.processes import in_a_process, seconds
from vye_pipeline_tests.bench.run import answer_all, timed_egress, timed_reconcile
from vye_pipeline_tests.bench.world import DAY, fill

USERS = 1_000
TIMES = 7
IMPORTS = {"import dagster": "dagster", "import the definitions": "vye_pipeline.definitions"}
COMMANDS = {
    "vye status": ("status",),
    "vye affected": ("affected",),
    "vye explain": ("explain", str(DAY)),
}
RUN = "from vye_pipeline.cli import run; code = run({arguments!r})"
WITHOUT_DAGSTER = "; import sys; sys.exit(code or 'dagster' in sys.modules)"


def measure(times: int = TIMES) -> dict[str, float]:
    """Times imports and commands, where a day has gone out and come back.

    Args:
        times: how often each; the median counts.

    Returns:
        Seconds of a whole process, by what it does.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(local_dir=Path(folder), start_date=DAY, end_date=DAY)
        for prepare in (fill_small, timed_egress, answer_all, timed_reconcile):
            in_a_process(prepare, settings)
        surroundings = os.environ | {
            "VYE_LOCAL_DIR": folder,
            "VYE_START_DATE": str(DAY),
            "VYE_END_DATE": str(DAY),
        }
        programs = {name: f"import {module}" for name, module in IMPORTS.items()} | {
            name: RUN.format(arguments=list(arguments)) + WITHOUT_DAGSTER
            for name, arguments in COMMANDS.items()
        }
        actions = [_started(program, surroundings) for program in programs.values()]
        return dict(zip(programs, seconds(*actions, times=times), strict=True))


def fill_small(settings: Settings) -> None:
    """Makes a day of few users."""
    fill(settings, USERS)


def _started(program: str, surroundings: dict[str, str]) -> Callable[[], object]:
    command = [sys.executable, "-W", "ignore", "-c", program]
    return lambda: subprocess.run(command, env=surroundings, stdout=subprocess.DEVNULL, check=True)
