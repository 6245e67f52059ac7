"""Fixtures for all tests: a pipeline of one's own in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.compatibility.page import PAGE as COMPATIBILITY
from vye_pipeline_tests.pages import OPTION
from vye_pipeline_tests.reliability.page import PAGE as RELIABILITY

PAGES = (RELIABILITY, COMPATIBILITY)

# How long an example takes is the machine's affair, and the same examples are tried every time.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the variables of whoever runs the tests out of them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VYE_{name.upper()}", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Has Dagster forget an instance that it entered twice, as a schedule's context does."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture
def embedded(tmp_path: Path) -> Settings:
    """Settings of an embedded pipeline that nobody else uses."""
    return load_settings(local_dir=tmp_path / "local", start_date=date(2024, 1, 2))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries in seconds, which are recorded and not waited for."""
    recorded: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=recorded.append))
    return recorded


def pytest_addoption(parser: pytest.Parser) -> None:
    """Lets `make trials` and `make docs` ask for pages."""
    parser.addoption(OPTION, action="store_true", help="write the pages that trials write")
    parser.addoption("--sequences", type=int, default=10, help="how many random sequences to try")
    parser.addoption("--write-docs", action="store_true", help="write what commands print")


_handed_in: dict[str, list[dict[str, Any]]] = {page.name: [] for page in PAGES}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes the rows of a process that has ended."""
    for name, rows in _handed_in.items():
        rows.extend(node.workeroutput.get(name, []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the pages from what all processes have handed in."""
    for page in PAGES:
        if _handed_in[page.name] and session.config.getoption(OPTION):
            page.write(_handed_in[page.name])
