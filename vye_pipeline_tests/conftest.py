"""Fixtures for all tests: a world of one's own in a temporary folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest

from vye_pipeline.settings import Settings, load_settings

# How long an example takes is the machine's affair, and the same examples are tried every time.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the variables of whoever runs the tests out of them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VYE_{name.upper()}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    """Settings of an embedded world that nobody else uses."""
    return load_settings(local_dir=tmp_path / "local", start_date=date(2024, 1, 2))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries in seconds, which are recorded and not waited for."""
    recorded: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=recorded.append))
    return recorded
