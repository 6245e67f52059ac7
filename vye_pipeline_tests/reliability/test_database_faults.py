"""A day whose databases fail: at each statement, at each commit, once or for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from vye_pipeline.egress.claim import take_export_ready
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline.sql import engines
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import finish
from vye_pipeline_tests.reliability.worlds import PostgreSQLWorlds, SQLiteWorlds

pytestmark = pytest.mark.long

DAY = DAYS[0]
FOR_GOOD = 1_000_000
STATEMENTS_A_TRIAL, COMMITS_A_TRIAL = 14, 5


class Statements:
    """Counts the statements of all engines, and does something at one of them."""

    def __init__(self, at: int | None, harm: Callable[[Connection], None]) -> None:
        self.passed = 0
        self._at = at
        self._harm = harm

    @contextmanager
    def watched(self) -> Iterator[None]:
        event.listen(Engine, "before_cursor_execute", self._pass)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", self._pass)

    def _pass(self, connection: Connection, *_: object) -> None:
        number, self.passed = self.passed, self.passed + 1
        if number == self._at:
            self._harm(connection)


def test_a_connection_dropped_at_any_statement_is_made_again(
    postgresql_worlds: PostgreSQLWorlds,
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
) -> None:
    row = Row("PostgreSQL: the connection is dropped at every fourteenth statement of a day")
    rows.append(row)
    server = postgresql_worlds.server

    def drop(connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        server.administer(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 1000)")

    counting = Statements(None, drop)
    with postgresql_worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        assert rehearsal.pipeline.ledger
        with counting.watched():
            assert rehearsal.egress(DAY) == []
    assert counting.passed > 60
    for number in range(0, counting.passed, STATEMENTS_A_TRIAL):
        with postgresql_worlds.copy(tmp_path / f"trial{number}") as settings:
            rehearsal = Rehearsal.open(settings)
            assert rehearsal.pipeline.ledger
            with Statements(number, drop).watched():
                assert rehearsal.egress(DAY) == [], "what passes is healed within the run"
            finish(settings, postgresql_worlds.reference, row)
    assert waits


def test_an_answer_to_a_commit_that_is_lost_changes_nothing(
    postgresql_worlds: PostgreSQLWorlds,
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Row("PostgreSQL: the answer to every fifth commit of a day is lost")
    rows.append(row)
    commit = psycopg.Connection.commit
    passed, fatal = 0, -1

    def commit_and_lose(connection: psycopg.Connection[Any]) -> None:
        nonlocal passed
        commit(connection)
        passed += 1
        if passed - 1 == fatal:
            connection.close()
            raise psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(psycopg.Connection, "commit", commit_and_lose)
    with postgresql_worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        assert rehearsal.pipeline.ledger
        passed = 0
        assert rehearsal.egress(DAY) == []
        commits = passed
    assert commits > 30
    for number in range(0, commits, COMMITS_A_TRIAL):
        with postgresql_worlds.copy(tmp_path / f"trial{number}") as settings:
            rehearsal = Rehearsal.open(settings)
            assert rehearsal.pipeline.ledger
            passed, fatal = 0, number
            assert rehearsal.egress(DAY) == [], "the verb finds what it has done"
            fatal = -1
            finish(settings, postgresql_worlds.reference, row)


@dataclass(frozen=True)
class Condition:
    """What a server says (SQLSTATE), and whether it may pass."""

    name: str
    sqlstate: str
    is_transient: bool
    says: str


CONDITIONS = (
    Condition("serialization failure", "40001", True, "another transaction was in the way"),
    Condition("deadlock", "40P01", True, "another transaction was in the way"),
    Condition("the query is cancelled", "57014", True, "cancelled a query"),
    Condition("the server shuts down", "57P01", True, "stopping or cancelled"),
    Condition("too many connections", "53300", True, "has no connection free"),
    Condition("out of disk", "53100", False, "its disk is full"),
    Condition("permission denied", "42501", False, "the role may not do this"),
    Condition("read-only", "25006", False, "is read-only"),
)
FAULTS = (("files", 1), ("claims", 1), ("deliveries", 1), ("claims", FOR_GOOD))
RAISE = """
CREATE SEQUENCE faults;
GRANT USAGE ON SEQUENCE faults TO PUBLIC;
CREATE FUNCTION raise_fault() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('faults') <= {count} THEN RAISE EXCEPTION 'fault' USING ERRCODE = '{sqlstate}'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER raise_fault BEFORE INSERT OR UPDATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION raise_fault();
"""


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_what_the_ledgers_server_says_is_understood(
    condition: Condition,
    postgresql_worlds: PostgreSQLWorlds,
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
) -> None:
    row = Row(f"PostgreSQL, the ledger: {condition.name} ({condition.sqlstate})")
    rows.append(row)
    for table, count in FAULTS:
        with postgresql_worlds.copy(tmp_path / f"trial-{table}-{count}") as settings:
            rehearsal = Rehearsal.open(settings)
            ledger = rehearsal.pipeline.ledger
            values = {"count": count, "sqlstate": condition.sqlstate, "table": table}
            with ledger.engine.begin() as connection:
                connection.execute(text(RAISE.format(**values)))
            failures = rehearsal.egress(DAY)
            if count == FOR_GOOD:
                assert len(failures) == len(KINDS)
            else:
                assert len(failures) == (0 if condition.is_transient else 1)
            for failure in failures:
                assert failure.cause is Cause.LEDGER
                assert failure.is_transient == condition.is_transient
                assert failure.what.startswith("the ledger: ")
                assert condition.says in failure.what
            with ledger.engine.begin() as connection:
                connection.execute(text(f"DROP TRIGGER raise_fault ON {table}"))
            finish(settings, postgresql_worlds.reference, row)


def unreachable(settings: Settings, name: str) -> Settings:
    """Returns the settings with a database that nobody serves."""
    url = "postgresql://postgres@/nobody?host=/nonexistent"
    return settings.model_copy(update={name: url})


@pytest.mark.parametrize(
    ("setting", "cause"), [("database_url", Cause.SOURCE), ("ledger_url", Cause.LEDGER)]
)
def test_a_server_that_refuses_connections_is_named(
    setting: str,
    cause: Cause,
    postgresql_worlds: PostgreSQLWorlds,
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
) -> None:
    row = Row(f"PostgreSQL: connection refused (VYE_{setting.upper()})")
    rows.append(row)
    with postgresql_worlds.copy(tmp_path / "trial") as settings:
        away = Rehearsal.open(unreachable(settings, setting))
        with pytest.raises(PipelineError) as caught:
            take_export_ready(away.pipeline, DAY, KINDS[0], at(DAY, minutes=1))
        assert caught.value.cause is cause
        assert caught.value.is_transient
        assert "can't be reached" in caught.value.what
        assert f"VYE_{setting.upper()}" in caught.value.next_step
        assert len(waits) >= 4
        finish(settings, postgresql_worlds.reference, row)


def test_a_server_that_restarts_in_the_middle_of_a_day_is_found_again(
    postgresql_worlds: PostgreSQLWorlds, tmp_path: Path, rows: list[Row], waits: list[float]
) -> None:
    row = Row("PostgreSQL: all sessions end between two kinds of a day")
    rows.append(row)
    server = postgresql_worlds.server
    with postgresql_worlds.copy(tmp_path / "trial") as settings:
        rehearsal = Rehearsal.open(settings)
        for kind in KINDS:
            assert rehearsal.egress(DAY, kind) == []
            assert server.end_sessions(settings.vye_database_url)
            assert server.end_sessions(settings.ledger_database_url)
        finish(settings, postgresql_worlds.reference, row)


def test_a_lock_whose_session_ends_is_let_go_without_an_error(
    postgresql_worlds: PostgreSQLWorlds, tmp_path: Path
) -> None:
    server = postgresql_worlds.server
    with postgresql_worlds.copy(tmp_path / "trial") as settings:
        ledger = Rehearsal.open(settings).pipeline.ledger
        with ledger.exclusive(KINDS[0]):
            assert server.end_sessions(settings.ledger_database_url)
        with ledger.exclusive(KINDS[0]):
            assert ledger.receipt(DAY, KINDS[0]) is None


def test_a_database_that_was_made_read_only_is_named(
    postgresql_worlds: PostgreSQLWorlds, tmp_path: Path, rows: list[Row], waits: list[float]
) -> None:
    row = Row("PostgreSQL: the ledger's database is made read-only")
    rows.append(row)
    server: PostgreSQL = postgresql_worlds.server
    with postgresql_worlds.copy(tmp_path / "trial") as settings:
        name = make_url(settings.ledger_database_url).database
        server.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        rehearsal = Rehearsal.open(settings)
        with pytest.raises(PipelineError, match="the ledger: is read-only") as caught:
            rehearsal.egress(DAY)
        assert not caught.value.is_transient
        assert waits == []
        server.administer(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        finish(settings, postgresql_worlds.reference, row)


FILL = """
CREATE TABLE filler (bytes BLOB);
CREATE TRIGGER fill AFTER INSERT ON files BEGIN INSERT INTO filler VALUES (zeroblob(1000000)); END;
"""


@contextmanager
def full_disk(settings: Settings) -> Iterator[None]:
    """Lets the ledger's file grow no further, and its first file need more room than there is."""
    with closing(sqlite3.connect(settings.folder / "ledger.db")) as ledger:
        ledger.executescript(FILL)

    def limit(connection: Any, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(Engine, "connect", limit)
        with closing(sqlite3.connect(settings.folder / "ledger.db")) as ledger:
            ledger.executescript("DROP TRIGGER fill; DROP TABLE filler;")


def test_a_full_disk_below_sqlite_is_named(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, rows: list[Row], waits: list[float]
) -> None:
    row = Row("SQLite: out of disk for the ledger")
    rows.append(row)
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        with full_disk(settings):
            failures = Rehearsal.open(settings).egress(DAY)
        assert [(one.cause, one.is_transient) for one in failures] == [(Cause.LEDGER, False)] * 3
        assert {one.what for one in failures} == {"the ledger: its disk is full"}
        finish(settings, sqlite_worlds.reference, row)


def test_a_ledger_that_somebody_holds_locked_is_waited_for_then_named(
    sqlite_worlds: SQLiteWorlds,
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Row("SQLite: the ledger is locked by another process")
    rows.append(row)
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0.05)
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        with closing(create_engine(settings.ledger_database_url).raw_connection()) as holder:
            holder.cursor().execute("BEGIN IMMEDIATE")
            with pytest.raises(PipelineError, match="is locked by another process") as caught:
                Rehearsal.open(settings).egress(DAY)
            holder.rollback()
        assert caught.value.is_transient
        assert waits
        finish(settings, sqlite_worlds.reference, row)


def test_a_file_that_is_no_ledger_is_named_and_left_alone(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, rows: list[Row], waits: list[float]
) -> None:
    row = Row("SQLite: the ledger's file holds something else")
    rows.append(row)
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        other = settings.folder / "other.db"
        other.write_bytes(b"something else, long enough to be looked at" * 100)
        wrong = settings.model_copy(update={"ledger_url": f"sqlite:///{other}"})
        with pytest.raises(PipelineError, match="is no SQLite database") as caught:
            Rehearsal.open(wrong).egress(DAY)
        assert not caught.value.is_transient
        assert waits == []
        assert other.read_bytes().startswith(b"something else")
        finish(settings, sqlite_worlds.reference, row)


def test_a_failure_is_in_the_history_once_though_its_commit_was_answered_late(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path
) -> None:
    with sqlite_worlds.copy(tmp_path / "trial") as settings:
        rehearsal = Rehearsal.open(settings)
        ledger, now = rehearsal.pipeline.ledger, at(DAY, minutes=1)
        rehearsal.refuse(DAY, KINDS[0])
        (failure,) = rehearsal.egress(DAY, KINDS[0], now=now)
        ledger.fail(DAY, KINDS[0], failure, step="egress", run_id=None, failed_at=now)
        with ledger.transaction() as connection:
            assert connection.scalar(text("SELECT count(*) FROM failures")) == 1
