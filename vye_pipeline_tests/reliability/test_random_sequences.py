"""Days, failures, corrections and repairs in any order: the end is always right."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.errors import PipelineError, Postponed
from vye_pipeline.ledger.models import CLAIMS, FAILURES
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.sql.frames import read_frame
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import is_delivered
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

SEQUENCES = {"SQLite": 12, "SQLite, encrypted columns": 3, "PostgreSQL": 5}
ADDRESS_CHANGES_AT_MOST = 1_000
STEPS = 8
LATER = at(DAYS[-1], hours=1)


class Sequence:
    """A pipeline to which things happen, and the order in which its files were delivered."""

    def __init__(self, rehearsal: Rehearsal, seed: int) -> None:
        """Takes a pipeline whose first day is ready."""
        self.rehearsal = rehearsal
        self.random = random.Random(seed)
        self.dawned = 1
        self.delivered: list[tuple[date, str]] = []
        self.failed: set[tuple[date, str]] = set()

    def step(self) -> None:
        """Lets something happen."""
        self.random.choice([self.dawn, self.run, self.run, self.correct])()

    def dawn(self) -> None:
        """VYE activates its next clone, unless it is jammed."""
        active = [self.rehearsal.flag(clone) for clone in range(1, self.dawned + 1)]
        if self.dawned < len(DAYS) and True not in active:
            self.rehearsal.dawn()
            self.dawned += 1

    def run(self) -> None:
        """A day runs, while some uploads are refused."""
        day = self.random.choice(DAYS[: self.dawned])
        kinds = [kind for kind in KINDS if self.random.random() < 0.4]
        self.rehearsal.outage.refused = frozenset(outbound_key(kind, day) for kind in kinds)
        self.egress(day)

    def correct(self) -> None:
        """Somebody corrects the source."""
        some = range(self.random.randrange(3), ADDRESS_CHANGES_AT_MOST, 3)
        self.rehearsal.correct("vye_address_changes", "address2", "Corrected", some)

    def egress(self, day: date) -> list[PipelineError]:
        """Runs a day, looks at how the days stand after it, and returns what failed."""
        errors = []
        for kind in KINDS:
            was = self.rehearsal.day(day, kind).delivery
            failures = self.rehearsal.egress(day, kind, now=LATER)
            row = self.rehearsal.day(day, kind)
            if any(isinstance(failure, Postponed) for failure in failures):
                assert row.delivery == "closed"
                continue
            errors += failures
            if failures:
                self.failed.add((day, kind.name))
                assert row.delivery == "failed"
            else:
                assert row.delivery == "delivered"
                if was != "delivered":
                    self.delivered.append((day, kind.name))
        for other in DAYS[: self.dawned]:
            for kind in KINDS:
                if (other, kind.name) in self.failed and (other, kind.name) not in self.delivered:
                    assert self.rehearsal.day(other, kind).delivery in {"failed", "closed"}
        return errors

    def heal(self) -> None:
        """The cause is gone; everything that is missing or failed runs, oldest first."""
        self.rehearsal.refuse_nothing()
        for day in DAYS[: self.dawned]:
            assert self.egress(day) == []


def rank(record: Mapping[Any, Any]) -> tuple[Any, ...]:
    """Returns what says which of two records is newer; VYE closes clones in their order."""
    return record["bdn_clone_id"], record["created_at"], record["record_id"]


def overtaken(claims: pd.DataFrame, delivered: list[tuple[date, str]], kind: Kind) -> set[int]:
    """Returns the records that a newer one had overtaken when their file went out, row by row."""
    place = {
        day.isoformat(): number for number, (day, name) in enumerate(delivered) if name == kind.name
    }
    rows = claims[claims["kind"] == kind.name].to_dict("records")
    found = set()
    for old in rows:
        for new in rows:
            if (
                new["user_profile_id"] == old["user_profile_id"]
                and new["disposition"] == "line"
                and rank(new) > rank(old)
                and (not kind.is_dated or new["transact_date"] >= old["transact_date"])
                and (place[new["partition_date"]], -new["bdn_clone_id"])
                < (place[old["partition_date"]], -old["bdn_clone_id"])
            ):
                found.add(int(old["record_id"]))
    return found


def test_whatever_happens_each_record_is_sent_once_or_overtaken(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"random sequences of days, failures, corrections and repairs ({worlds.name})")
    rows.append(row)
    for seed in range(SEQUENCES[worlds.name]):
        with worlds.copy(tmp_path / f"trial{seed}") as settings:
            sequence = Sequence(Rehearsal.open(settings), seed)
            for _ in range(STEPS):
                sequence.step()
            sequence.heal()
            row.trials += 1
            look_at(sequence, row)
    assert (row.lost, row.twice) == (0, 0)


def look_at(sequence: Sequence, row: Row) -> None:
    """Compares ledger, store and source after everything was healed."""
    look_at_records(sequence, row)
    failures = sequence.rehearsal.pipeline.ledger.read(
        lambda one: one.execute(select(FAILURES.c.partition_date, FAILURES.c.kind)).all()
    )
    assert {(day, kind) for day, kind in failures} == sequence.failed, "failures stay in history"


def look_at_records(sequence: Sequence, row: Row) -> None:
    """Compares what was sent with what the ledger and VYE have of each record and clone."""
    rehearsal, days = sequence.rehearsal, DAYS[: sequence.dawned]
    sent = [(day, kind) for day in days for kind in KINDS if not is_closed(rehearsal, day, kind)]
    assert all(is_delivered(rehearsal, day, kind) for day, kind in sent)
    rehearsal.look_later()
    assert {rehearsal.flag(clone) for clone in range(1, sequence.dawned + 1)} == {None}
    columns = [CLAIMS.c[name] for name in COLUMNS]
    claims = rehearsal.pipeline.ledger.read(lambda one: read_frame(one, select(*columns)))
    assert not claims.duplicated(["kind", "record_id"]).any()
    for kind in KINDS:
        mine = claims[claims["kind"] == kind.name]
        assert set(mine.loc[mine["disposition"] == "superseded", "record_id"]) == {
            record
            for record in overtaken(claims, sequence.delivered, kind)
            if record not in set(mine.loc[mine["disposition"].isin(UNSENT), "record_id"])
        }
        keys = [outbound_key(kind, day) for day, other in sent if other is kind]
        lines = sum(rehearsal.outage.get(key).count(b"\n") for key in keys)
        expected = int((mine["disposition"] == "line").sum())
        row.lost += max(expected - lines, 0)
        row.twice += max(lines - expected, 0)


def is_closed(rehearsal: Rehearsal, day: date, kind: Kind) -> bool:
    """Says whether a later day has taken up a day's records."""
    return rehearsal.day(day, kind).delivery == "closed"


COLUMNS = (
    "kind", "record_id", "user_profile_id", "bdn_clone_id", "partition_date", "created_at",
    "transact_date", "disposition",
)  # fmt: skip
UNSENT = ("replaced", "quarantined")
