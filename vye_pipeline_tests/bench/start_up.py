"""How long it takes until something answers: imports and commands, each in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.bench.pipeline import DAY, fill
from vye_pipeline_tests.bench.processes import in_a_process, seconds
from vye_pipeline_tests.bench.run import answer_all, timed_egress, timed_reconcile

USERS = 1_000
TIMES = 7
PROCESSES = {
    "import dagster": ("-c", "import dagster"),
    "import the definitions": ("-c", "import vye_pipeline.definitions"),
    "vye status": ("-m", "vye_pipeline", "status"),
    "vye affected": ("-m", "vye_pipeline", "affected"),
    "vye explain": ("-m", "vye_pipeline", "explain", str(DAY)),
}


def measure(times: int = TIMES) -> dict[str, float]:
    """Times imports and commands, as they are typed, where a day has gone out and come back.

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
        # Else nothing but the pipeline would be compiled anew each time.
        surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
        actions = [_started(arguments, surroundings) for arguments in PROCESSES.values()]
        return dict(zip(PROCESSES, seconds(*actions, times=times), strict=True))


def fill_small(settings: Settings) -> None:
    """Makes a day of few users."""
    fill(settings, USERS)


def _started(arguments: Sequence[str], surroundings: dict[str, str]) -> Callable[[], object]:
    command = [sys.executable, "-W", "ignore", *arguments]
    return lambda: subprocess.run(command, env=surroundings, stdout=subprocess.DEVNULL, check=True)
