"""Each measurement in a process of its own: its memory is its own, nothing is warm by chance."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from typing import Any, TypeVar

Answer = TypeVar("Answer")
TIMES = 3


def in_a_process(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Runs a module's function in a fresh process and returns what it returns."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def seconds(*actions: Callable[[], object], times: int = TIMES) -> list[float]:
    """Times actions in turn, several times, so that a busy moment doesn't meet one of them only.

    Returns:
        The median of each.
    """
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(times):
        for action, mine in zip(actions, taken, strict=True):
            began = perf_counter()
            action()
            mine.append(perf_counter() - began)
    return [statistics.median(mine) for mine in taken]
