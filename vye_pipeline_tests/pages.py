"""Pages of docs/ that the trials write: rows from all of pytest's processes, put together at last.

A page is a module with PAGE; its tests append rows to a list of the session and hand it in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from vye_pipeline.settings import CHECKOUT

OPTION = "--write-page"
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Page:
    """A page and how it is written.

    Attributes:
        name: of its file in docs/.
        text: makes its text from the rows, in whatever order they come.
    """

    name: str
    text: Callable[[Rows], str]

    def hand_in(self, config: pytest.Config, rows: Rows) -> None:
        """Gives a process's rows to the one that writes the page, or writes it if there is one."""
        if hasattr(config, "workeroutput"):
            config.workeroutput[self.name] = list(rows)
        elif config.getoption(OPTION):
            self.write(rows)

    def write(self, rows: Rows) -> None:
        """Writes the page."""
        (CHECKOUT / "docs" / self.name).write_text(self.text(rows), encoding="utf-8")
