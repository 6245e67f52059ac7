"""Who only reads waits for nobody who writes, and can't write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete, func, select

from vye_pipeline.errors import PipelineError
from vye_pipeline.ledger.actions import ActionsMixin
from vye_pipeline.ledger.ledger import Ledger, open_ledger
from vye_pipeline.ledger.models import ACTIONS, HOLDS
from vye_pipeline.settings import Settings
from vye_pipeline.sql import engines

NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger, whose readers and writers fail rather than wait for each other."""
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0)
    opened = open_ledger(settings)
    yield opened
    opened.engine.dispose()


def act(ledger: ActionsMixin) -> None:
    """Writes a row."""
    ledger.record_action("egress", actor="operator", acted_at=NOW)


def actions(connection: Connection) -> int:
    """Counts those rows."""
    return connection.scalar(select(func.count()).select_from(ACTIONS)) or 0


def test_another_process_reads_while_one_writes(settings: Settings, ledger: Ledger) -> None:
    with ledger.transaction() as writing:
        writing.execute(delete(HOLDS))
        reader = open_ledger(settings)
        assert reader.read(actions) == 0
        assert reader.closed_clones() == set()
    reader.engine.dispose()


def test_one_writes_while_another_process_reads(settings: Settings, ledger: Ledger) -> None:
    reader = open_ledger(settings)
    with reader.reading() as connection:
        assert actions(connection) == 0
        act(ledger)
        assert actions(connection) == 0, "a question sees one state"
    assert reader.read(actions) == 1
    reader.engine.dispose()


def test_a_question_may_ask_another_one(ledger: Ledger) -> None:
    assert ledger.read(lambda _: ledger.read(actions)) == 0


def test_a_question_can_not_write(ledger: Ledger) -> None:
    with pytest.raises(PipelineError):
        ledger.read(lambda connection: connection.execute(delete(HOLDS)))
    act(ledger)
    assert ledger.read(actions) == 1
