"""Parts of something large, worked on side by side.

NumPy and Arrow let go of the interpreter while they work, and a part fits the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, pairwise
from math import ceil
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

THREADS = 2  # more of them would wait for each other: not all of the work is Arrow's and NumPy's
ROWS = 131_072
CHARACTERS = 4_194_304
WORTHWHILE = 10_000  # rows: fewer are done before a thread has begun


def side_by_side(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """Does the same work on each part, two at a time.

    Parts that come one by one are worked on while the others come.

    Returns:
        The results, in the order of the parts. What the first part that failed raised is raised.
    """
    parts = iter(parts)
    first = list(islice(parts, THREADS))
    if len(first) < THREADS:  # as in every small day: to begin a thread would take longer
        return [work(part) for part in first]
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(work, chain(first, parts)))


def rows(count: int) -> list[slice]:
    """Cuts so many rows into parts of one size, as many for each thread; few rows are one part."""
    return _cut(count, THREADS * (ceil(count / ROWS / THREADS) or 1))


def halves(count: int) -> list[slice]:
    """Cuts so many rows into a part for each thread, for work that is slow to begin."""
    return _cut(count, THREADS)


def _cut(count: int, parts: int) -> list[slice]:
    size = (ceil(count / parts) if count >= WORTHWHILE else count) or 1
    return [slice(start, start + size) for start in range(0, count or 1, size)]


def whole_lines(content: bytes, start: int, stop: int) -> list[slice]:
    """Cuts text at ends of lines into parts; of no text there is none.

    Args:
        content: the text.
        start: where a line begins.
        stop: where a line has ended.
    """
    ends = [start]
    while ends[-1] < stop:
        end = content.find(b"\n", ends[-1] + CHARACTERS, stop)
        ends.append(stop if end < 0 else end + 1)
    return [slice(*part) for part in pairwise(ends)]
