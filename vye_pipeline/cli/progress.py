"""What shows on stderr, at a terminal, that something is going on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from vye_pipeline.in_flight import watched_by

Item = TypeVar("Item")


def watched(items: Iterable[Item], what: str) -> Iterable[Item]:
    """Yields the items; meanwhile a bar shows that they take their time."""
    console = Console(stderr=True)
    return track(
        items, what, total=None, console=console, transient=True, disable=not console.is_terminal
    )


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Shows that something takes its time."""
    with Console(stderr=True).status(what) as status:

        def show(asked: str, done: int, total: int) -> None:
            status.update(f"{what}: {done} of {total} {asked}")

        with watched_by(show):
            yield
