"""Many requests to one service at a time: bounded, watched, and dropped after the first failure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Watcher = Callable[[str, int, int], None]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def in_flight(
    ask: Callable[[Item], Result], items: Collection[Item], *, at_once: int, what: str
) -> Iterator[tuple[Item, Result]]:
    """Asks for each item, some at a time, and yields the answers as they come.

    Whatever ends the iteration early, an error or the reader's interruption, drops what hasn't
    been asked; what is under way ends by its own timeout.

    Args:
        ask: one request; safe in several threads.
        items: what to ask for.
        at_once: how many requests are under way.
        what: is asked for, for the progress line.
    """
    if not items:
        return
    watcher, failed = _watcher.get(), Event()

    def ask_unless_failed(item: Item) -> Result:
        if failed.is_set():
            raise CancelledError
        try:
            return ask(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(min(at_once, len(items))) as threads:
        asked = {threads.submit(ask_unless_failed, item): item for item in items}
        try:
            for done, future in enumerate(_failure_first(asked), start=1):
                yield asked[future], future.result()
                if watcher is not None:
                    watcher(what, done, len(items))
        finally:
            failed.set()
            threads.shutdown(wait=False, cancel_futures=True)


def _failure_first(asked: Iterable[Future[Result]]) -> Iterator[Future[Result]]:
    """Yields futures as they end; those dropped for a failure wait until it has been told."""
    dropped = []
    for future in as_completed(asked):
        if isinstance(future.exception(), CancelledError):
            dropped.append(future)
        else:
            yield future
    yield from dropped


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tells a watcher of each answer: what is asked for, how many have come, of how many."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)
