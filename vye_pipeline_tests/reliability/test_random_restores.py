"""Days, failures and restores of an older ledger in any order: nothing lost, nothing twice."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.errors import Postponed
from vye_pipeline.records import KINDS
from vye_pipeline.recovery.recover import recover
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.restores import back_up, restore
from vye_pipeline_tests.reliability.test_random_sequences import (
    LATER,
    STEPS,
    Sequence,
    look_at_records,
)
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

SEQUENCES = 8


class RestoredSequence(Sequence):
    """A pipeline whose ledger is put back as it was, now and then."""

    def __init__(self, settings: Settings, seed: int) -> None:
        """Takes a pipeline whose first day is ready; its first backup is of that moment."""
        super().__init__(Rehearsal.open(settings), seed)
        self.settings = settings
        self.back_up()

    def step(self) -> None:
        """Lets something happen."""
        self.random.choice([self.dawn, self.run, self.run, self.back_up, self.restore])()

    def back_up(self) -> None:
        """Somebody backs the ledger up."""
        self.rehearsal.pipeline.ledger.engine.dispose()
        back_up(self.settings)

    def restore(self) -> None:
        """The ledger is restored; a day runs before anybody thinks of the recovery."""
        self.rehearsal.pipeline.ledger.engine.dispose()
        self.rehearsal = restore(self.settings)
        before = self.rehearsal.sent()
        self.run_unaware(self.random.choice(DAYS[: self.dawned]))
        after = self.rehearsal.sent()
        assert {key: after[key] for key in before} == before
        done = recover(self.rehearsal.pipeline, DAYS[0], DAYS[-1], LATER)
        assert done.left == []

    def run_unaware(self, day: date) -> None:
        """Runs a day on a ledger that may have forgotten what it delivered."""
        for kind in KINDS:
            was_there = outbound_key(kind, day) in self.rehearsal.sent()
            failures = self.rehearsal.egress(day, kind, now=LATER)
            if any(not isinstance(failure, Postponed) for failure in failures):
                self.failed.add((day, kind.name))
            elif not was_there and outbound_key(kind, day) in self.rehearsal.sent():
                self.delivered.append((day, kind.name))


def test_restores_lose_nothing_and_send_nothing_twice(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row("random sequences of days, failures and restores of the ledger (SQLite)")
    rows.append(row)
    for seed in range(SEQUENCES):
        with sqlite_worlds.copy(tmp_path / f"trial{seed}") as settings:
            sequence = RestoredSequence(settings, seed)
            for _ in range(STEPS):
                sequence.step()
            sequence.heal()
            row.trials += 1
            look_at_records(sequence, row)
    assert (row.lost, row.twice) == (0, 0)
