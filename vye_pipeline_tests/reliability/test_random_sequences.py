"""Days, failures, restores, gaps and repairs in any order: the end is always right."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from vye_pipeline.bdn.file_names import acknowledgement_key, outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.ledger.models import CLAIMS, FAILURES
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.sql.frames import read_frame
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.sequences import LATER, Sequence
from vye_pipeline_tests.reliability.trials import is_delivered
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

STEPS = 10
SHARES = {"SQLite": 1, "PostgreSQL": 1, "SQLite, encrypted columns": 0.2}
COLUMNS = (
    "kind", "record_id", "user_profile_id", "bdn_clone_id", "partition_date", "created_at",
    "transact_date", "disposition",
)  # fmt: skip
UNSENT = ("replaced", "quarantined", "held")


def test_whatever_happens_each_record_is_sent_once_or_overtaken(
    worlds: Worlds, tmp_path: Path, rows: list[Row], pytestconfig: pytest.Config
) -> None:
    row = Row(
        "random sequences of days, outages, corrections, restores, gaps, narrow views, holds, "
        f"late commits and early answers ({worlds.name})"
    )
    rows.append(row)
    count = pytestconfig.getoption("--sequences") * SHARES[worlds.name]
    for seed in range(round(count)):
        with worlds.copy(tmp_path / f"trial{seed}") as settings:
            sequence = Sequence(worlds, settings, seed)
            try:
                for _ in range(STEPS):
                    sequence.step()
                sequence.heal()
                look_at(sequence, row)
            except BaseException as error:
                error.add_note(f"seed {seed}: {', '.join(sequence.happened)}")
                raise
            sequence.close()
            row.trials += 1
    assert (row.lost, row.twice) == (0, 0)


def look_at(sequence: Sequence, row: Row) -> None:
    """Compares ledger, store and source after everything was healed."""
    claims = sequence.rehearsal.pipeline.ledger.read(
        lambda one: read_frame(one, select(*(CLAIMS.c[name] for name in COLUMNS)))
    )
    assert not claims.duplicated(["kind", "record_id"]).any()
    look_at_holds(sequence)
    look_at_files(sequence, claims, row)
    look_at_source(sequence, claims)
    look_at_answers(sequence)
    if not sequence.restores:
        failures = sequence.rehearsal.pipeline.ledger.read(
            lambda one: one.execute(select(FAILURES.c.partition_date, FAILURES.c.kind)).all()
        )
        assert {(day, kind) for day, kind in failures} == sequence.failed, "they stay in history"


def look_at_holds(sequence: Sequence) -> None:
    """Whatever was restored, the newest decision on each user profile holds."""
    ledger = sequence.rehearsal.pipeline.ledger
    assert sequence.held == {
        (profile, kind.name) for kind in KINDS for profile in ledger.held_profiles(kind)
    }


def look_at_files(sequence: Sequence, claims: pd.DataFrame, row: Row) -> None:
    """Compares what was sent with what the ledger has of each record."""
    rehearsal, days = sequence.rehearsal, sequence.dawned_days
    sent = [(day, kind) for day in days for kind in KINDS if not is_closed(rehearsal, day, kind)]
    assert all(
        is_delivered(rehearsal, day, kind, sequence.by_hand.get(outbound_key(kind, day)))
        for day, kind in sent
    )
    for kind in KINDS:
        mine = claims[claims["kind"] == kind.name]
        assert set(mine.loc[mine["disposition"] == "superseded", "record_id"]) == {
            record
            for record in overtaken(claims, sequence.delivered, kind)
            if record not in set(mine.loc[mine["disposition"].isin(UNSENT), "record_id"])
        }
        keys = [outbound_key(kind, day) for day, other in sent if other is kind]
        put = {key: content for key, content in rehearsal.sent().items() if key in keys}
        by_hand = {key: content for key, content in sequence.by_hand.items() if key in keys}
        assert not set(put) & set(by_hand)
        lines = sum(content.count(b"\n") for content in (put | by_hand).values())
        expected = int((mine["disposition"] == "line").sum())
        row.lost += max(expected - lines, 0)
        row.twice += max(lines - expected, 0)


def look_at_source(sequence: Sequence, claims: pd.DataFrame) -> None:
    """Every record of a clone is claimed or waits, listed, for the next day; VYE goes on."""
    rehearsal, clones = sequence.rehearsal, range(1, sequence.dawned + 1)
    rehearsal.look_later()
    for clone in clones:
        waits = any(rehearsal.unclaimed(kind, clone) for kind in KINDS)
        assert rehearsal.flag(clone) is (False if waits else None)
    for kind in KINDS:
        mine = claims[(claims["kind"] == kind.name) & claims["bdn_clone_id"].notna()]
        waiting = rehearsal.unclaimed(kind, *clones)
        assert set(waiting) <= sequence.late
        assert {*waiting, *mine["record_id"]} == ids_in_clones(sequence, kind)


def ids_in_clones(sequence: Sequence, kind: Kind) -> set[int]:
    """Returns the ids of the records of the clones that VYE has activated, from the source."""
    tables = sequence.rehearsal.pipeline.vye_shape.tables
    record, info = tables[kind.table], tables["vye_user_infos"]
    query = (
        select(record.c.id)
        .join(info, info.c.id == record.c.user_info_id)
        .where(info.c.bdn_clone_id <= sequence.dawned)
    )
    if kind.origin is not None:
        query = query.where(record.c.origin == kind.origin)
    with sequence.engine.connect() as connection:
        return set(connection.scalars(query))


def look_at_answers(sequence: Sequence) -> None:
    """Early answers prove nothing; those that come after the delivery settle every line."""
    rehearsal = sequence.rehearsal
    for key, content in sequence.by_hand.items():
        rehearsal.outage.put(key, content)  # where the stand-in BDN reads it
    for day in sequence.dawned_days:
        for kind in KINDS:
            receipt = rehearsal.pipeline.ledger.receipt(day, kind)
            due_at = FEDERAL_CALENDAR.deadline(day, receipt.delivered_at if receipt else None)
            is_overdue = due_at < LATER + timedelta(hours=1)
            found = statuses(rehearsal, day, kind, 1)
            assert found <= {"missing" if is_overdue else "pending"}
        if any(not is_closed(rehearsal, day, kind) for kind in KINDS):
            received_at = LATER + timedelta(hours=2)
            for kind in KINDS:
                rehearsal.outage.delete(acknowledgement_key(kind, day))
            answer_partition(rehearsal.outage, day, Faults(), received_at=received_at)
        for kind in KINDS:
            assert statuses(rehearsal, day, kind, 3) <= {"acknowledged"}


def statuses(rehearsal: Rehearsal, day: date, kind: Kind, hours: int) -> set[str]:
    """Reconciles some hours later, and returns what became of the lines."""
    records = rehearsal.reconcile(day, kind, LATER + timedelta(hours=hours))
    return set(records["status"]) - {*UNSENT, "superseded"}


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


def is_closed(rehearsal: Rehearsal, day: date, kind: Kind) -> bool:
    """Says whether a later day has taken up a day's records."""
    return rehearsal.day(day, kind).delivery == "closed"
