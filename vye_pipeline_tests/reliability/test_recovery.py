"""A ledger that is older than the store takes up what it has forgotten, and sends nothing wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import Table, select

from vye_pipeline.actor import actor
from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.cli import recovery
from vye_pipeline.cli.commands import BAD_USAGE, SUCCESS, run
from vye_pipeline.egress.comparison import all_forgotten
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import Cause, upload_error
from vye_pipeline.ledger.models import (
    ACKNOWLEDGEMENTS,
    CLAIMS,
    DECISIONS,
    DELIVERIES,
    DISOWNED,
    FILES,
    FINDINGS,
    PARTITION_CLONES,
    REDELIVERIES,
    WAS_DELIVERED,
    WAS_NOT_DELIVERED,
)
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.recovery.recover import Recovery, recover
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.sql.frames import read_frame
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.restores import back_up, restore
from vye_pipeline_tests.reliability.trials import Points, all_delivered, die, in_a_fork
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

FIRST, SECOND, THIRD, _ = DAYS
NOW = at(DAYS[-1], hours=1)
EXACT = (FILES, PARTITION_CLONES, CLAIMS, FINDINGS, DELIVERIES, REDELIVERIES)
FORGED = "somebody-else"


@pytest.fixture
def world(sqlite_worlds: SQLiteWorlds, tmp_path: Path) -> Any:
    """A pipeline whose first day is delivered."""
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        rehearsal = Rehearsal.open(settings)
        assert rehearsal.egress(FIRST) == []
        close(rehearsal)
        yield settings


def close(rehearsal: Rehearsal) -> None:
    """Lets go of the databases, so that their files are whole."""
    rehearsal.pipeline.ledger.engine.dispose()


def recovered(rehearsal: Rehearsal) -> Recovery:
    return recover(rehearsal.pipeline, FIRST, DAYS[-1], NOW)


def rows(rehearsal: Rehearsal, table: Table) -> pd.DataFrame:
    """Returns a table's rows, in the order of its key."""
    key = [column.name for column in table.primary_key]
    frame = rehearsal.pipeline.ledger.read(lambda one: read_frame(one, select(*table.c)))
    return frame.sort_values(key, ignore_index=True)


def ledger(rehearsal: Rehearsal) -> dict[str, pd.DataFrame]:
    return {table.name: rows(rehearsal, table) for table in EXACT}


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, frame in expected.items():
        assert_frame_equal(found[name], frame, check_dtype=False)


def test_a_day_that_was_delivered_after_the_backup_is_not_sent_again(world: Settings) -> None:
    rehearsal = Rehearsal.open(world)
    back_up(world)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    before, sent = ledger(rehearsal), rehearsal.sent()
    close(rehearsal)
    restored = restore(world)
    restored.dawn()
    assert {failure.cause for failure in restored.egress(THIRD)} == {Cause.LEDGER}
    assert restored.sent() == sent
    done = recovered(restored)
    assert (len(done.taken_up), done.left) == (len(KINDS), [])
    found = ledger(restored)
    second = SECOND.isoformat()
    for name in ("claims", "deliveries", "partition_clones"):
        mine, theirs = (
            frame[frame["partition_date"] == second].reset_index(drop=True)
            for frame in (found[name], before[name])
        )
        assert_frame_equal(mine, theirs, check_dtype=False)
    again = recovered(restored)
    assert (again.taken_up, again.left) == ([], [])
    assert restored.egress(THIRD) == []
    lines = [line for content in restored.sent().values() for line in content.splitlines()]
    assert len(lines) == len(claimed_lines(restored))


@pytest.fixture
def typed(world: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Types `vye recover` under a forged name, and returns its exit code."""
    for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME"):
        monkeypatch.setenv(name, FORGED)
    assert recovery.recover.callback is not None
    scope = recovery.recover.callback.__globals__
    monkeypatch.setitem(scope, "load_settings", lambda: world)
    return lambda *arguments: run(["recover", *arguments])


def assert_signed(rehearsal: Rehearsal, decision: str) -> None:
    """Checks that what was decided stands in the ledger, once, under who has really decided it."""
    decided = rows(rehearsal, DECISIONS)
    of_this = decided[decided["decision"] == decision]
    assert list(of_this["decided_by"]) == [actor()]
    assert FORGED not in decided.to_csv()


def claimed_lines(rehearsal: Rehearsal) -> pd.DataFrame:
    claims = rows(rehearsal, CLAIMS)
    return claims[claims["disposition"] == "line"]


def test_an_older_change_is_not_sent_after_the_newer_one(world: Settings) -> None:
    rehearsal = Rehearsal.open(world)
    rehearsal.dawn()
    rehearsal.refuse(SECOND)
    assert rehearsal.egress(SECOND)
    back_up(world)
    rehearsal.refuse_nothing()
    rehearsal.dawn()
    assert rehearsal.egress(THIRD) == []
    superseded = int((rows(rehearsal, CLAIMS)["disposition"] == "superseded").sum())
    assert superseded
    close(rehearsal)
    restored = restore(world)
    assert {failure.cause for failure in restored.egress(SECOND, now=NOW)} == {Cause.LEDGER}
    assert recovered(restored).left == []
    assert restored.egress(SECOND, now=NOW) == []
    claims = rows(restored, CLAIMS)
    assert int((claims["disposition"] == "superseded").sum()) == superseded
    assert all_delivered(restored, (FIRST, SECOND, THIRD))


def test_what_failed_after_the_backup_is_claimed_again(world: Settings) -> None:
    rehearsal = Rehearsal.open(world)
    back_up(world)
    rehearsal.dawn()
    rehearsal.refuse(SECOND)
    assert rehearsal.egress(SECOND)
    waiting = {kind.name: rehearsal.day(SECOND, kind).counts["undelivered"] for kind in KINDS}
    close(rehearsal)
    restored = restore(world)
    assert recovered(restored).left == []
    assert waiting == {
        kind.name: restored.day(SECOND, kind).counts["undelivered"] for kind in KINDS
    }
    assert restored.egress(SECOND) == []
    assert all_delivered(restored, (FIRST, SECOND))


def test_a_lost_ledger_is_rebuilt_with_answers_and_redeliveries(world: Settings) -> None:
    rehearsal = Rehearsal.open(world)
    again(rehearsal)
    given = at(FIRST, hours=2)
    answer_partition(rehearsal.outage, FIRST, received_at=given, faults=Faults(reject=3), seed=1)
    for kind in KINDS:
        rehearsal.reconcile(FIRST, kind, at(FIRST, hours=3))
    before = ledger(rehearsal)
    answers = rows(rehearsal, ACKNOWLEDGEMENTS)
    counts = {kind.name: rehearsal.day(FIRST, kind).counts for kind in KINDS}
    for stored in rehearsal.outage.list(""):  # BDN removes what it has read, and its answers
        rehearsal.outage.delete(stored.key)
    close(rehearsal)
    (world.folder / "backup").mkdir(exist_ok=True)
    anew = restore(world)
    assert all_forgotten(anew.pipeline)
    assert recovered(anew).left == []
    assert_same(ledger(anew), before)
    assert_frame_equal(rows(anew, ACKNOWLEDGEMENTS), answers, check_dtype=False)
    assert {kind.name: anew.day(FIRST, kind).counts for kind in KINDS} == counts
    assert all_forgotten(anew.pipeline) == []


def again(rehearsal: Rehearsal) -> None:
    redeliver(
        rehearsal.pipeline,
        FIRST,
        VERIFICATIONS,
        requested_by="operator",
        reason="BDN lost the file",
        now=at(FIRST, hours=1),
    )


def interrupted(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, day: Any) -> None:
    """Lets a put end in nothing, without a word of how."""

    def lost(key: str, content: bytes) -> bool:
        raise upload_error("the answer is lost", is_transient=True, next_step="run it again")

    with monkeypatch.context() as patching:
        patching.setattr(rehearsal.outage, "create", lost)
        assert rehearsal.egress(day, VERIFICATIONS)


@pytest.mark.parametrize("decision", [WAS_DELIVERED, WAS_NOT_DELIVERED])
def test_only_a_person_can_decide_on_an_announcement_without_an_end(
    world: Settings,
    monkeypatch: pytest.MonkeyPatch,
    typed: Callable[..., int],
    decision: str,
) -> None:
    rehearsal = Rehearsal.open(world)
    back_up(world)
    rehearsal.dawn()
    interrupted(rehearsal, monkeypatch, SECOND)
    close(rehearsal)
    restored = restore(world)
    (left,) = recovered(restored).left
    assert f"vye recover {SECOND} --kind {VERIFICATIONS.name} --delivered" in left
    (failure,) = restored.egress(SECOND, VERIFICATIONS)
    assert failure.cause is Cause.LEDGER
    option = f"--{decision.replace(' ', '-')}"
    decided = (str(SECOND), "--kind", VERIFICATIONS.name, option, "asked BDN")
    assert typed(*decided) == SUCCESS
    assert_signed(restored, decision)
    was_delivered = decision == WAS_DELIVERED
    is_there = restored.pipeline.ledger.receipt(SECOND, VERIFICATIONS) is not None
    assert is_there == was_delivered
    assert restored.egress(SECOND, VERIFICATIONS, now=NOW) == []
    assert (outbound_key(VERIFICATIONS, SECOND) in restored.sent()) != was_delivered
    assert typed(*decided) == BAD_USAGE
    assert_signed(restored, decision)


def test_an_object_that_is_not_ours_stops_nothing_once_it_is_disowned(
    world: Settings, typed: Callable[..., int]
) -> None:
    rehearsal, key = Rehearsal.open(world), outbound_key(VERIFICATIONS, SECOND)
    rehearsal.outage.put(key, b"the old system's\n")
    rehearsal.dawn()
    (failure,) = rehearsal.egress(THIRD, VERIFICATIONS, now=NOW)
    assert failure.cause is Cause.LEDGER
    (left,) = recovered(rehearsal).left
    assert f"vye recover --disown {key}" in left
    assert typed("--disown", key, "the old system's") == SUCCESS
    assert_signed(rehearsal, DISOWNED)
    assert recovered(rehearsal).left == []
    assert rehearsal.egress(THIRD, VERIFICATIONS, now=NOW) == []
    assert typed("--disown", key, "the old system's") == BAD_USAGE
    rehearsal.outage.put(key, b"changed since\n")
    assert all_forgotten(rehearsal.pipeline) == [key]
    close(rehearsal)
    rehearsal.outage.put(key, b"the old system's\n")
    (world.folder / "backup").mkdir(exist_ok=True)
    anew = restore(world)
    assert recovered(anew).left == [], "the decision is kept among the snapshots too"


def test_a_store_that_can_not_be_listed_is_the_failure(
    world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal = Rehearsal.open(world)
    rehearsal.dawn()

    def away(prefix: str) -> None:
        raise upload_error("the store is away", is_transient=True, next_step="wait")

    with monkeypatch.context() as patching:
        patching.setattr(rehearsal.outage, "list", away)
        failures = rehearsal.egress(SECOND)
    assert {failure.cause for failure in failures} == {Cause.UPLOAD}
    assert all(rehearsal.day(SECOND, kind).counts["undelivered"] for kind in KINDS)
    assert rehearsal.egress(SECOND) == []


def test_a_recovery_that_is_killed_anywhere_is_finished_by_the_next(
    world: Settings, tmp_path: Path
) -> None:
    rehearsal = Rehearsal.open(world)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    before = ledger(rehearsal)
    close(rehearsal)
    (world.folder / "backup").mkdir(exist_ok=True)

    def work(points: Points) -> None:
        with points.watched():
            recovered(restore(world))

    points = Points()
    work(points)
    for point in range(0, points.passed, max(1, points.passed // 6)):
        assert in_a_fork(lambda fatal=point: work(Points(fatal, die))) != 0  # type: ignore[misc]
        after = Rehearsal.open(world)
        assert recovered(after).left == []
        assert_same(ledger(after), before)
        close(after)


def test_deliveries_of_an_earlier_version_are_remembered_by_the_first_recovery(
    world: Settings,
) -> None:
    rehearsal = Rehearsal.open(world)
    for name in rehearsal.pipeline.snapshots.names("deliveries/"):
        rehearsal.pipeline.snapshots.delete(name)
    before = ledger(rehearsal)
    assert len(recovered(rehearsal).taken_up) == len(KINDS)
    close(rehearsal)
    (world.folder / "backup").mkdir(exist_ok=True)
    anew = restore(world)
    assert recovered(anew).left == []
    assert_same(ledger(anew), before)
