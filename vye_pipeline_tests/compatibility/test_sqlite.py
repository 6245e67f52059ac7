"""What a SQLite database may be, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from sqlite3 import connect, sqlite_version

import pytest
from sqlalchemy import text

from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.sql import engines
from vye_pipeline.sql.engines import Database
from vye_pipeline_tests.compatibility.page import REFUSED, Row

pytestmark = pytest.mark.long

PEER = f"SQLite {sqlite_version}"


def nothing(path: Path) -> None:
    """Leaves the file away."""


def no_database(path: Path) -> None:
    """Writes something else."""
    path.write_bytes(b"no database at all, but longer than a header of one hundred bytes" * 4)


def no_tables(path: Path) -> None:
    """Makes a database without tables."""
    with closing(connect(path)) as file:
        file.execute("PRAGMA user_version = 1")


def other_columns(path: Path) -> None:
    """Makes a table without its columns."""
    with closing(connect(path)) as file:
        file.execute("CREATE TABLE vye_bdn_clones (id INTEGER)")


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file that is not there": (nothing, "can't be opened"),
    "a file that is no database": (no_database, "is no SQLite database"),
    "a database without tables": (no_tables, "a table is missing"),
    "a table without a column": (other_columns, "a column is missing"),
}


@pytest.mark.parametrize("tried", CASES)
def test_what_is_refused(tmp_path: Path, rows: list[Row], tried: str) -> None:
    prepare, says = CASES[tried]
    path = tmp_path / "vye.db"
    prepare(path)
    database = Database("VYE's database", "VYE_DATABASE_URL", f"sqlite:///{path}", Cause.SOURCE)
    with (
        pytest.raises(PipelineError, match=says) as caught,
        database.errors(),
        database.engine(is_read_only=True).connect() as connection,
    ):
        connection.execute(text("SELECT is_active FROM vye_bdn_clones"))
    assert not (tried.endswith("not there") and path.exists())
    rows.append(Row(PEER, tried, REFUSED, str(caught.value)))


@pytest.mark.parametrize("is_held", [False, True])
def test_a_file_that_another_process_writes_to(
    tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch, is_held: bool
) -> None:
    path = tmp_path / "ledger.db"
    no_tables(path)
    monkeypatch.setattr(engines, "SQLITE_BUSY_SECONDS", 0)
    database = Database("the ledger", "VYE_LEDGER_URL", f"sqlite:///{path}", Cause.DEFECT)
    expected = pytest.raises(PipelineError, match="is locked") if is_held else nullcontext()
    with closing(connect(path, isolation_level=None)) as other:
        if is_held:
            other.execute("BEGIN IMMEDIATE")
        with expected as caught, database.errors(), database.engine().begin() as connection:
            connection.execute(text("CREATE TABLE notes (id INTEGER)"))
    outcome = (REFUSED, str(caught.value)) if caught else ("works", "")
    tried = "another process writes for more than a minute" if is_held else "a file of its own"
    rows.append(Row(PEER, tried, *outcome))
