"""Two runs at once, in processes of their own, held against each other at many points."""

from __future__ import annotations

import os
import select
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import Points, all_delivered, finish
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

DAY, NEXT = DAYS[:2]
INTERLEAVINGS = 12
BLOCKED_SECONDS = 1.0


class Child:
    """A forked process, of which one can see when it stops at a point and when it ends."""

    def __init__(self, work: Callable[[], None], stop_at: int | None = None) -> None:
        """Forks; the child stops at its stop_at-th point until it is told to go on."""
        stopped, say_stopped = os.pipe()
        hear_go, go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(stopped)

            def stop() -> None:
                os.write(say_stopped, b".")
                os.read(hear_go, 1)

            status = 1
            try:
                with Points(stop_at, stop).watched():
                    work()
                status = 0
            except AssertionError:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(say_stopped)
        os.close(hear_go)
        self._stopped, self._go = stopped, go

    def stops_or_ends(self, within: float | None = None) -> bool:
        """Waits until the child stops or ends; False if it does neither within some seconds."""
        readable, _, _ = select.select([self._stopped], [], [], within)
        return bool(readable)

    def goes_on(self) -> None:
        """Lets the child go on."""
        os.write(self._go, b".")

    def ended_well(self) -> bool:
        """Waits for the child's end."""
        _, status = os.waitpid(self._pid, 0)
        os.close(self._stopped)
        os.close(self._go)
        return status == 0


def interleaved(first: Callable[[], None], second: Callable[[], None], point: int) -> None:
    """Stops the first run at a point, lets the second one run until it ends or waits, goes on."""
    one = Child(first, point)
    one.stops_or_ends()
    other = Child(second)
    other.stops_or_ends(within=BLOCKED_SECONDS)
    one.goes_on()
    assert one.ended_well()
    assert other.ended_well()


def points_of(work: Callable[[], None]) -> list[int]:
    """Returns points of a run, spread over it."""
    points = Points()
    with points.watched():
        work()
    return [number * points.passed // INTERLEAVINGS for number in range(INTERLEAVINGS)]


def run(settings: Settings, *days: object, may_change: bool = False) -> Callable[[], None]:
    """Returns the work of a process: the egress of some days.

    What a newer day overtakes while an older one is on its way changes the older file; its run then
    says so, and the next one sends what is left.
    """

    def work() -> None:
        rehearsal = Rehearsal.open(settings)
        for day in DAYS:
            if day in days:
                failures = rehearsal.egress(day, now=at(NEXT, minutes=5))
                assert all(may_change and "changed since" in one.what for one in failures)

    return work


def test_two_runs_of_one_partition_send_each_record_once(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"two runs of one partition at once ({worlds.name})")
    rows.append(row)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(run(settings, DAY))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            interleaved(run(settings, DAY), run(settings, DAY), point)
            finish(settings, worlds.reference, row)


def held_back(settings: Settings) -> None:
    """The first day has failed and VYE has activated its next clone: two days are to be sent."""
    rehearsal = Rehearsal.open(settings)
    rehearsal.refuse(DAY)
    assert len(rehearsal.egress(DAY)) == len(KINDS)
    rehearsal.dawn()
    rehearsal.pipeline.ledger.engine.dispose()


def sent_in_order(worlds: Worlds, folder: Path, *days: object) -> dict[str, bytes]:
    """Returns what BDN is sent if the two days are run one after the other."""
    with worlds.copy(folder) as settings:
        held_back(settings)
        for day in days:
            run(settings, day)()
        return Rehearsal.open(settings).sent()


@pytest.mark.parametrize("is_older_first", [True, False])
def test_two_partitions_at_once_send_what_they_would_one_after_the_other(
    worlds: Worlds, tmp_path: Path, rows: list[Row], is_older_first: bool
) -> None:
    order = (DAY, NEXT) if is_older_first else (NEXT, DAY)
    held = "the older one is held" if is_older_first else "the newer one is held"
    row = Row(f"two partitions at once, {held} ({worlds.name})")
    rows.append(row)
    either = [
        sent_in_order(worlds, tmp_path / "older-first", DAY, NEXT),
        sent_in_order(worlds, tmp_path / "newer-first", NEXT, DAY),
    ]
    assert either[0] != either[1], "the newer one overtakes some of the older"
    with worlds.copy(tmp_path / "counted") as settings:
        held_back(settings)
        points = points_of(run(settings, order[0]))
    for point in points:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            held_back(settings)
            first, second = (run(settings, day, may_change=day == DAY) for day in order)
            interleaved(first, second, point)
            run(settings, DAY, NEXT)()
            again = Rehearsal.open(settings)
            assert all_delivered(again, (DAY, NEXT))
            again.look_later()
            assert again.flag(1) is None
            row.trials += 1
            for key, content in again.sent().items():
                fit = [sent[key] for sent in either]
                if content not in fit:
                    lines = [set(one.splitlines()) for one in fit]
                    row.lost += len((lines[0] & lines[1]) - set(content.splitlines()))
                    row.twice += len(set(content.splitlines()) - (lines[0] | lines[1]))
                assert content in fit
