"""One process at a time holds a kind; who waits knows for whom, and not for ever."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import dagster as dg
import pytest

from vye_pipeline.context import Context
from vye_pipeline.errors import HeldElsewhereError
from vye_pipeline.ledger import lock
from vye_pipeline.orchestration.history import postponed_kinds
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

pytestmark = pytest.mark.long

KIND = KINDS[0]
PATIENCE = 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    """A holder is given up after two seconds of silence."""
    monkeypatch.setattr(lock, "SILENT_SECONDS", PATIENCE)


@contextmanager
def stopped_holder(settings: Settings) -> Iterator[int]:
    """Another process that holds the lock and says nothing any more, until the end."""
    ready, is_ready = os.pipe()
    child = os.fork()
    if child == 0:
        with Context(settings).ledger.exclusive(KIND):
            os.write(is_ready, b"!")
            signal.pause()
        os._exit(0)
    assert os.read(ready, 1)
    os.kill(child, signal.SIGSTOP)
    yield child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_silent_holder_is_waited_for_in_vain_and_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    Context(settings).ledger.engine.dispose()
    with stopped_holder(settings) as holder:
        monkeypatch.setattr(lock, "SILENT_SECONDS", PATIENCE)
        ledger = Context(settings).ledger
        with pytest.raises(HeldElsewhereError) as caught, ledger.exclusive(KIND):
            pass
        assert caught.value.is_transient
        assert f":{holder} since 20" in caught.value.what
        assert KIND.name in caught.value.what
        with ledger.exclusive(KINDS[1]):
            pass
    with ledger.exclusive(KIND):
        pass


def test_the_server_ends_a_holder_that_is_silent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    if settings.ledger_database_url.startswith("sqlite"):
        return  # the operating system lets go of a file, and there is no other machine
    monkeypatch.setattr(lock, "ENDED_SECONDS", PATIENCE)
    Context(settings).ledger.engine.dispose()
    with stopped_holder(settings), Context(settings).ledger.exclusive(KIND):
        pass


def test_a_healthy_holder_is_waited_for_as_long_as_it_takes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(lock, "BEAT_SECONDS", PATIENCE / 10)
    held, looks, is_over = Event(), 0, Event()
    wait_for = lock._Patience.wait_for

    def counted(self: lock._Patience, holder: lock.Holder) -> None:
        nonlocal looks
        looks += 1
        if time.monotonic() - self._began > 2 * PATIENCE:
            is_over.set()
        wait_for(self, holder)

    def hold() -> None:
        with Context(settings).ledger.exclusive(KIND):
            held.set()
            is_over.wait()

    monkeypatch.setattr(lock._Patience, "wait_for", counted)
    holder = Thread(target=hold)
    holder.start()
    held.wait()
    with Context(settings).ledger.exclusive(KIND):
        assert is_over.is_set()
    holder.join()
    assert looks > 1


def test_who_has_waited_in_vain_fails_no_day(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    rehearsal.pipeline.ledger.engine.dispose()
    with stopped_holder(settings):
        monkeypatch.setattr(lock, "SILENT_SECONDS", PATIENCE)
        with Session(settings) as session:
            outcome = session.egress(DAYS[0], [KIND.name])
            (run,) = session._instance.get_runs(limit=1)
            assert postponed_kinds(session._instance, run.run_id) == {KIND.name}
    assert "no sign of life" in outcome.problems[0]
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert rehearsal.day(DAYS[0], KIND).delivery != "failed"
