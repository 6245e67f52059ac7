"""Many requests at a time: bounded, shown while they run, and dropped when somebody has enough."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event, Lock
from typing import cast

import pytest

from vye_pipeline.in_flight import in_flight, watched_by

ITEMS = tuple(range(2_000))
AT_ONCE = 8


class Service:
    """What is asked, and how often at the same time."""

    def __init__(self, broken: int | None = None) -> None:
        self.broken, self.asked, self.most_at_once = broken, 0, 0
        self._at_once, self._lock = 0, Lock()

    def ask(self, item: int) -> int:
        with self._lock:
            self.asked += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if item == self.broken:
                raise ConnectionError
            return item * 2
        finally:
            with self._lock:
                self._at_once -= 1


def test_each_is_asked_once_and_no_more_than_some_at_a_time() -> None:
    service = Service()
    answers = dict(in_flight(service.ask, ITEMS, at_once=AT_ONCE, what="keys"))
    assert answers == {item: item * 2 for item in ITEMS}
    assert service.asked == len(ITEMS)
    assert service.most_at_once <= AT_ONCE


def test_whoever_watches_sees_all_of_it_go_by() -> None:
    seen: list[tuple[str, int, int]] = []
    with watched_by(lambda what, done, total: seen.append((what, done, total))):
        list(in_flight(Service().ask, ITEMS, at_once=AT_ONCE, what="keys"))
    assert seen == [("keys", done, len(ITEMS)) for done in range(1, len(ITEMS) + 1)]


def test_a_failure_is_told_and_the_rest_is_not_asked() -> None:
    service = Service(broken=0)
    with pytest.raises(ConnectionError):
        list(in_flight(service.ask, ITEMS, at_once=1, what="keys"))
    assert service.asked == 1


def test_an_interruption_drops_what_has_not_been_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    service, dropped = Service(), Event()

    class Threads(ThreadPoolExecutor):
        """Says when what waits has been dropped."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            dropped.set()
            super().shutdown(wait=wait)

    def ask(item: int) -> int:
        if item:
            dropped.wait()
        return service.ask(item)

    monkeypatch.setattr("vye_pipeline.in_flight.ThreadPoolExecutor", Threads)
    asking = in_flight(ask, ITEMS, at_once=AT_ONCE, what="keys")
    with closing(cast("Generator[tuple[int, int]]", asking)) as answers:
        assert next(answers) == (0, 0)
    assert service.asked <= 1 + AT_ONCE
