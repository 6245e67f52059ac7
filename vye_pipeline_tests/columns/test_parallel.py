"""Parts cover the whole, each once and in order, and what is done with them comes back in order."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.columns import parallel as module
from vye_pipeline.columns.parallel import THREADS, halves, rows, side_by_side, whole_lines


@given(st.integers(0, 50), st.integers(1, 20), st.integers(0, 30))
def test_parts_of_rows_are_every_row_once_and_none_is_too_large(
    count: int, most: int, worthwhile: int
) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(module, "ROWS", most)
        patching.setattr(module, "WORTHWHILE", worthwhile)
        cuts = rows(count), halves(count)
    for parts in cuts:
        assert [row for part in parts for row in range(count)[part]] == list(range(count))
        assert len(parts) == 1 or worthwhile <= count
    if count >= worthwhile:
        assert all(len(range(count)[part]) <= most for part in cuts[0])
        assert len(cuts[1]) == min(max(count, 1), THREADS)


@given(st.lists(st.text("ab", max_size=5)), st.lists(st.text("ab", max_size=5)), st.integers(1, 10))
def test_parts_of_text_are_whole_lines_of_it(
    before: list[str], lines: list[str], least: int
) -> None:
    begin, wanted = ("".join(f"{one}\n" for one in some).encode() for some in (before, lines))
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(module, "CHARACTERS", least)
        content = begin + wanted + b"after"
        parts = [content[part] for part in whole_lines(content, len(begin), len(begin + wanted))]
    assert b"".join(parts) == wanted
    assert all(part.endswith(b"\n") for part in parts)
    assert all(len(part) > least for part in parts[:-1])


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_results_stand_in_the_order_of_the_parts(count: int) -> None:
    assert side_by_side(lambda number: number**2, iter(range(count))) == [
        number**2 for number in range(count)
    ]


def test_the_first_parts_are_worked_on_while_the_others_come() -> None:
    is_done = Event()

    def parts() -> Iterator[int]:
        yield from range(THREADS)
        assert is_done.wait(timeout=60), "nothing is done before the last part has come"
        yield THREADS

    side_by_side(lambda _: is_done.set(), parts())


def test_of_several_failures_the_first_part_tells_its_own() -> None:
    def fail(number: int) -> None:
        if number >= 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"^3$"):
        side_by_side(fail, range(20))
