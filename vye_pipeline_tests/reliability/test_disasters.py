"""Every loss of docs/disaster-recovery.md, tried: what happens meanwhile, and what repairs it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.cli.commands import run
from vye_pipeline.egress.clone_flags import look_at_clones
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import Cause
from vye_pipeline.records import KINDS
from vye_pipeline.recovery.recover import recover
from vye_pipeline.settings import CHECKOUT, Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.restores import back_up, restore
from vye_pipeline_tests.reliability.trials import all_delivered
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

FIRST, SECOND, _, LAST = DAYS
NOW = at(LAST, hours=1)
ANSWERED = at(FIRST, hours=2)
PAGE = (CHECKOUT / "docs" / "disaster-recovery.md").read_text(encoding="utf-8")
Trial = Callable[[Rehearsal], None]


@pytest.fixture
def rehearsal(sqlite_worlds: SQLiteWorlds, tmp_path: Path) -> Iterator[Rehearsal]:
    """A first day that is delivered, backed up, and then answered; the second is active."""
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        opened = Rehearsal.open(settings)
        assert opened.egress(FIRST) == []
        opened.dawn()
        yield opened


def settings_of(rehearsal: Rehearsal) -> Settings:
    rehearsal.pipeline.ledger.engine.dispose()
    return rehearsal.pipeline.settings


def second_day(rehearsal: Rehearsal) -> set[Cause]:
    """Runs the second day and returns why it failed."""
    return {failure.cause for failure in rehearsal.egress(SECOND, now=NOW)}


def end_well(rehearsal: Rehearsal) -> None:
    """Everything of both days is delivered, once."""
    assert second_day(rehearsal) == set()
    assert all_delivered(rehearsal, (FIRST, SECOND))
    lines = [line for _, line in rehearsal.lines()]
    claimed = sum(rehearsal.day(day, kind).lines for day in (FIRST, SECOND) for kind in KINDS)
    assert len(lines) == claimed


def recovered(rehearsal: Rehearsal) -> None:
    assert recover(rehearsal.pipeline, FIRST, LAST, NOW).left == []


def deliver_and_lose(rehearsal: Rehearsal, *names: str) -> Rehearsal:
    """Backs databases up, delivers the second day, and puts the databases back."""
    settings = settings_of(rehearsal)
    back_up(settings, *names)
    delivering = Rehearsal.open(settings)
    assert second_day(delivering) == set()
    settings_of(delivering)
    return restore(settings, *names)


def test_the_ledger_restored_from_a_backup(rehearsal: Rehearsal) -> None:
    restored = deliver_and_lose(rehearsal)
    sent = restored.sent()
    assert second_day(restored) <= {Cause.LEDGER}
    assert restored.sent() == sent
    recovered(restored)
    end_well(restored)


def test_the_ledger_without_a_backup(rehearsal: Rehearsal) -> None:
    settings = settings_of(rehearsal)
    for part in settings.folder.glob("ledger.db*"):
        part.unlink()
    anew = Rehearsal.open(settings)
    assert second_day(anew) == {Cause.LEDGER}
    recovered(anew)
    end_well(anew)


def test_the_ledger_and_vyes_database_restored_to_the_same_moment(rehearsal: Rehearsal) -> None:
    restored = deliver_and_lose(rehearsal, "ledger.db", "vye.db")
    look_at_clones(restored.pipeline, at(SECOND, minutes=1))
    restored.dawn()
    assert {failure.cause for failure in restored.egress(DAYS[2], now=NOW)} == {Cause.LEDGER}
    recovered(restored)
    assert restored.egress(DAYS[2], now=NOW) == []
    assert all_delivered(restored, DAYS[:3])
    lines = [line for _, line in restored.lines()]
    assert len(lines) == sum(restored.day(day, kind).lines for day in DAYS[:3] for kind in KINDS)


def test_vyes_database_restored_to_an_earlier_moment(rehearsal: Rehearsal) -> None:
    restored = deliver_and_lose(rehearsal, "vye.db")
    sent = restored.sent()
    end_well(restored)
    assert restored.sent() == sent


def test_an_object_that_was_sent(rehearsal: Rehearsal) -> None:
    key = outbound_key(KINDS[0], FIRST)
    content = rehearsal.outage.get(key)
    rehearsal.outage.delete(key)
    assert second_day(rehearsal) == set()
    assert rehearsal.day(FIRST, KINDS[0]).delivery == "delivered"
    again = redeliver(
        rehearsal.pipeline, FIRST, KINDS[0], requested_by="operator", reason="lost", now=NOW
    )
    assert rehearsal.outage.get(again.object_key) == content


def test_the_object_store_and_the_ledger(rehearsal: Rehearsal) -> None:
    answer_partition(rehearsal.outage, FIRST, Faults(), received_at=ANSWERED)
    for kind in KINDS:
        rehearsal.reconcile(FIRST, kind, NOW)
    for stored in rehearsal.outage.list(""):
        rehearsal.outage.delete(stored.key)
    settings = settings_of(rehearsal)
    for part in settings.folder.glob("ledger.db*"):
        part.unlink()
    anew = Rehearsal.open(settings)
    assert second_day(anew) == {Cause.LEDGER}
    recovered(anew)
    assert second_day(anew) == set()
    for kind in KINDS:
        row = anew.day(FIRST, kind)
        assert (row.delivery, row.counts["acknowledged"]) == ("delivered", row.lines)


def test_the_records_of_deliveries_among_the_snapshots(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshots = rehearsal.pipeline.snapshots
    kept = list(snapshots.names("deliveries/"))
    for name in kept:
        snapshots.delete(name)
    settings = settings_of(rehearsal)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(settings.folder))
    monkeypatch.setenv("VYE_START_DATE", str(FIRST))
    run(["doctor"])
    assert "vye recover" in capsys.readouterr().out
    recovered(rehearsal)
    assert len(list(snapshots.names("deliveries/"))) == len(kept)
    run(["doctor"])
    assert "vye recover" not in capsys.readouterr().out
    end_well(rehearsal)


def test_the_key_of_the_fingerprints(rehearsal: Rehearsal) -> None:
    def lose(settings: Settings) -> Path:
        return next(settings.folder.rglob("fingerprints.key*"))

    without(rehearsal, lose)


def test_the_snapshot_key(rehearsal: Rehearsal) -> None:
    settings = settings_of(rehearsal)
    key = settings.folder / "snapshot.key"
    right = key.read_bytes()
    key.write_bytes(Fernet.generate_key())
    assert second_day(Rehearsal.open(settings)) == {Cause.STORAGE}
    key.write_bytes(right)
    end_well(Rehearsal.open(settings))


def without(rehearsal: Rehearsal, lose: Callable[[Settings], Path]) -> None:
    """Loses a file, sees the day fail as `storage`, and restores it."""
    settings = settings_of(rehearsal)
    lost = lose(settings)
    kept = settings.folder / "kept"
    shutil.move(lost, kept)
    assert second_day(Rehearsal.open(settings)) == {Cause.STORAGE}
    shutil.move(kept, lost)
    end_well(Rehearsal.open(settings))


def test_dagsters_storage(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(rehearsal)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(settings.folder))
    monkeypatch.setenv("VYE_START_DATE", str(FIRST))
    assert run(["egress", str(SECOND)]) == 0
    shutil.rmtree(settings.folder / "dagster")
    assert run(["egress", str(SECOND)]) == 0
    assert run(["reconcile", str(SECOND)]) == 0
    end_well(Rehearsal.open(settings))


def test_each_row_of_the_page_has_its_trial() -> None:
    table = PAGE.split("## What each loss means")[1]
    losses = re.findall(r"^\| ([^|]+) \|", table, flags=re.MULTILINE)[2:]
    names = {
        f"test_{re.sub(r'[^a-z]+', '_', loss.replace(chr(39), '').lower())}" for loss in losses
    }
    assert names == {name for name in globals() if name in names}
    assert len(names) == len(losses) > 8
