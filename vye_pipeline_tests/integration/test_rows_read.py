"""How many rows of the ledger a day reads: in proportion to its own records.

Counted by PostgreSQL itself, in the state right after a day of many records: its statistics still
speak of empty tables, so that its plans are made without knowing what was just written.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.context import Context
from vye_pipeline.reconciliation.reconcile import reconcile
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.worklist import worklist
from vye_pipeline.settings import load_settings
from vye_pipeline_tests.bench.dagster_runs import run_bare
from vye_pipeline_tests.bench.pipeline import DAY, activate, fill
from vye_pipeline_tests.integration.servers import PostgreSQL

USERS = 500
RECORDS = USERS * 12 // 10
READS_A_RECORD = 40
OLDER, NEWER = DAY, FEDERAL_CALENDAR.business_days_after(DAY, 1)
ROWS_READ = """
SELECT (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables)
"""


@pytest.fixture
def pipeline(postgresql: PostgreSQL, tmp_path: Path) -> Context:
    source = postgresql.database()
    settings = load_settings(
        local_dir=tmp_path,
        start_date=DAY,
        database_url=source,
        database_write_url=source,
        ledger_url=postgresql.database(),
        snapshot_key=Fernet.generate_key().decode(),
    )
    fill(settings, USERS, (OLDER, NEWER))
    return Context(settings)


def rows_read(pipeline: Context) -> int:
    """Counts the rows that all finished sessions have read of the ledger."""
    pipeline.ledger.engine.dispose()
    with create_engine(pipeline.ledger.engine.url).connect() as connection:
        return int(connection.scalar(text(ROWS_READ)))


def run(pipeline: Context, day: date) -> int:
    activate(pipeline, day)
    before = rows_read(pipeline)
    run_bare(pipeline, day)
    return rows_read(pipeline) - before


def test_a_day_behind_a_delivered_one_reads_its_own_records(pipeline: Context) -> None:
    assert run(pipeline, NEWER) < READS_A_RECORD * RECORDS
    assert run(pipeline, OLDER) < READS_A_RECORD * RECORDS


def test_a_worklist_of_a_whole_day_reads_its_own_records(pipeline: Context) -> None:
    run(pipeline, OLDER)
    late = FEDERAL_CALENDAR.deadline(OLDER) + timedelta(days=1)  # it ran some minutes later
    for kind in KINDS:
        reconcile(pipeline, OLDER, kind, [], late)
    before = rows_read(pipeline)
    answers = (
        worklist(pipeline, OLDER, late),
        pipeline.ledger.read(lambda connection: affected(connection, [OLDER])),
        pipeline.ledger.read(lambda connection: calendar(connection, [OLDER])),
    )
    assert [len(answer) for answer in answers] == [USERS, RECORDS, len(KINDS)]
    assert rows_read(pipeline) - before < READS_A_RECORD * RECORDS
