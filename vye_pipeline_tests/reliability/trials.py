"""Trials: a process that is killed at a chosen point, and what has to be true after the next run.

A process is forked with everything imported, so that a trial costs no start-up. Points are counted
in a first run that nobody kills; then one run is killed at each of them.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, event

from vye_pipeline.egress.deliver import make_upload_file
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.ledger.ledger import Ledger
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.settings import Settings
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.page import Row


def die() -> None:
    """Ends this process at once, as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """Counts the points that a process passes, and does something at one of them."""

    def __init__(self, fatal: int | None = None, act: Callable[[], None] = die) -> None:
        """Takes the number of the point at which to act, None to count only."""
        self.passed = 0
        self._fatal = fatal
        self._act = act

    def pass_one(self, *_: object) -> None:
        """Passes a point."""
        number, self.passed = self.passed, self.passed + 1
        if number == self._fatal:
            self._act()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Makes every commit, every flush to disk and every step of a store a point."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._around(os.fsync))
            for verb in ("create", "put"):
                patch.setattr(FolderStore, verb, self._around(getattr(FolderStore, verb)))
            for verb in ("claim", "announce", "deliver", "fail"):
                patch.setattr(Ledger, verb, self._around(getattr(Ledger, verb)))
            event.listen(Engine, "commit", self.pass_one)
            try:
                yield
            finally:
                event.remove(Engine, "commit", self.pass_one)

    def _around(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.pass_one()
            result = verb(*arguments, **named)
            self.pass_one()
            return result

        return watched


def in_a_fork(work: Callable[[], None]) -> int:
    """Runs work in a forked process and returns the signal that ended it, 0 for none."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def finish(settings: Settings, reference: dict[str, bytes], row: Row) -> None:
    """The fault is gone: the same command again ends the first day as if nothing had happened."""
    again = Rehearsal.open(settings)
    assert again.egress(DAYS[0]) == []
    assert all_delivered(again)
    again.look_later()
    assert again.flag(1) is None
    outcome(again, reference, row)
    assert (row.lost, row.twice) == (0, 0)


def outcome(rehearsal: Rehearsal, reference: dict[str, bytes], row: Row) -> None:
    """Compares what BDN was sent with what it should have been, and adds to the row."""
    sent = rehearsal.sent()
    expected = Counter(line for content in reference.values() for line in content.splitlines())
    found = Counter(line for content in sent.values() for line in content.splitlines())
    row.trials += 1
    row.lost += (expected - found).total()
    row.twice += (found - expected).total()
    assert sent == reference


def all_delivered(rehearsal: Rehearsal, days: tuple[date, ...] = DAYS[:1]) -> bool:
    """Says whether ledger and store agree that everything of some days is delivered."""
    return all(is_delivered(rehearsal, day, kind) for day in days for kind in KINDS)


def is_delivered(rehearsal: Rehearsal, day: date, kind: Kind, by_hand: bytes | None = None) -> bool:
    """Says whether a file went out as the ledger has it; it must be what its claims make.

    Args:
        rehearsal: the pipeline.
        day: of the file.
        kind: of its records.
        by_hand: what BDN got by hand; None where it lies in the store.
    """
    row = rehearsal.day(day, kind)
    if row.delivery != "delivered":
        return False
    content = rehearsal.outage.get(row.object_key or "") if by_hand is None else by_hand
    export = load_export_ready(rehearsal.pipeline, day, kind)
    assert make_upload_file(kind, export) == content
    numbers = export.claims["line_number"].dropna()
    assert sorted(numbers) == list(range(1, content.count(b"\n") + 1))
    return rehearsal.pipeline.snapshots.fingerprint(content) == row.fingerprint
