"""Databases that are put back as they were: what a restored backup is."""

from __future__ import annotations

import shutil
from pathlib import Path

from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import Rehearsal


def back_up(settings: Settings, *names: str) -> Path:
    """Copies databases of the embedded default as they are now."""
    backup = settings.folder / "backup"
    shutil.rmtree(backup, ignore_errors=True)
    backup.mkdir()
    for name in names or ("ledger.db",):
        for part in settings.folder.glob(f"{name}*"):
            shutil.copy(part, backup / part.name)
    return backup


def restore(settings: Settings, *names: str) -> Rehearsal:
    """Puts databases back, or removes those without a backup, and opens the pipeline anew."""
    put_back(settings, *names)
    return Rehearsal.open(settings)


def put_back(settings: Settings, *names: str) -> None:
    """Puts databases back, or removes those without a backup."""
    for name in names or ("ledger.db",):
        for part in settings.folder.glob(f"{name}*"):
            part.unlink()
        for part in (settings.folder / "backup").glob(f"{name}*"):
            shutil.copy(part, settings.folder / part.name)
