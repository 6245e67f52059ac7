"""No question of a day, nor of each minute, reads the history: there is an index for each.

With sequential scans and the joins that need them switched off, PostgreSQL reads a table, or an
index in its place, from end to end only where no index would do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, Engine, event

from vye_pipeline.ledger import open_work
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.sql import frames
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL

Statement = tuple[str, Any]
OF_THE_LEDGER = {"claims", "findings", "reconciliations", "evidence", "resolutions"}
OF_VYE = {
    "vye_user_infos",
    "vye_verifications",
    "vye_direct_deposit_changes",
    "vye_address_changes",
    "vye_user_profiles",
    "mpi_identities",
}
BY_BLOCKS = {"claims_by_partition", "reconciliations_by_partition"}
PARTIAL = {"reconciliations_open", "reconciliations_first_lines"}
OF_ANOTHER = re.compile(r"\b(\w+)\.\w")  # an index's own columns stand alone in its condition
OF_FEW_ROWS = {"partition_clones"}  # a clone is read by one partition, as a rule
EXPLAINED = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH)", re.IGNORECASE)


@pytest.fixture
def rehearsal(postgresql: PostgreSQL, embedded: Settings) -> Rehearsal:
    source = postgresql.database()
    return Rehearsal.prepare(
        embedded.model_copy(
            update={
                "database_url": source,
                "database_write_url": source,
                "ledger_url": postgresql.database(),
                "snapshot_key": Fernet.generate_key().decode(),
            }
        )
    )


@contextmanager
def asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Statement]]:
    """Collects what is asked of a database meanwhile, by COPY too."""
    statements: list[Statement] = []
    copy_out = frames._copy_out

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    def noted(connection: Connection, sql: str, types: dict[str, Any]) -> Any:
        if connection.engine.url == engine.url:
            statements.append((sql, None))
        return copy_out(connection, sql, types)

    event.listen(engine, "before_cursor_execute", note)
    with monkeypatch.context() as patch:
        patch.setattr(frames, "_copy_out", noted)
        yield statements
    event.remove(engine, "before_cursor_execute", note)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def reads_all(node: dict[str, Any]) -> bool:
    """Says whether a node goes through a whole table, or through a whole index in its place.

    So does each look at the ranges of blocks: one for every row of another table is too many, where
    there is a row per day.
    """
    if node["Node Type"] == "Bitmap Heap Scan":
        return any(reads_all(part) for part in nodes(node["Plans"][0]))
    condition, index = node.get("Index Cond"), node.get("Index Name")
    if index in BY_BLOCKS and set(OF_ANOTHER.findall(condition or "")) - OF_FEW_ROWS:
        return True
    is_narrow = condition is not None or index in PARTIAL
    of_an_index = node["Node Type"] in {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
    return node["Node Type"] == "Seq Scan" or (of_an_index and not is_narrow)


def scanned(engine: Engine, statements: list[Statement], tables: set[str]) -> dict[str, str]:
    """Returns the tables that would be read from end to end, each with what asks for it."""
    found: dict[str, str] = {}
    with engine.connect() as connection:
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.exec_driver_sql(f"SET enable_{way} = off")
        for statement, parameters in statements:
            if not EXPLAINED.match(statement) or "closing_reconciliations" in statement:
                continue
            explained = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement}", parameters
            ).scalar_one()
            for node in nodes(explained[0]["Plan"]):
                if node.get("Relation Name") in tables and reads_all(node):
                    found[node["Relation Name"]] = statement
    return found


def test_a_day_reads_no_history(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, vye = rehearsal.pipeline.ledger.engine, rehearsal.pipeline.vye_engine
    with asked(ledger, monkeypatch) as of_ledger, asked(vye, monkeypatch) as of_vye:
        for day in DAYS[:2]:
            rehearsal.dawn()
            assert rehearsal.egress(day) == []
            answer_partition(rehearsal.outage, day, Faults(reject=1), received_at=at(day, hours=1))
            for kind in KINDS:
                rehearsal.reconcile(day, kind, at(day, hours=2))
    assert len(of_ledger) > 100
    assert len(of_vye) > len(KINDS)
    assert scanned(ledger, of_ledger, OF_THE_LEDGER) == {}
    assert scanned(rehearsal.pipeline.vye.engine(), of_vye, OF_VYE) == {}


def test_what_is_asked_each_minute_reads_no_history(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = rehearsal.pipeline.ledger.engine
    with asked(engine, monkeypatch) as statements:
        for question in (open_work.failed_files, open_work.open_items, open_work.unsettled_days):
            rehearsal.pipeline.ledger.read(question)
    assert len(statements) >= len(("failed_files", "open_items", "unsettled_days"))
    assert scanned(engine, statements, OF_THE_LEDGER) == {}
    without_index = "SELECT count(*) FROM claims WHERE is_vanished"
    assert scanned(engine, [(without_index, None)], OF_THE_LEDGER) == {"claims": without_index}


def test_what_is_open_is_found_by_its_index_on_sqlite_too(embedded: Settings) -> None:
    engine = Rehearsal.prepare(embedded).pipeline.ledger.engine
    statements: list[Statement] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
    with engine.connect() as connection:
        open_work.open_items(connection)
        asked_for = list(statements)
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            for statement, parameters in asked_for
            if "FROM reconciliations" in statement
        ]
    assert plans
    assert all("INDEX reconciliations_open" in str(plan) for plan in plans)
