"""What years of history in the ledger cost a day: the same days with them and without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import median
from time import perf_counter

from sqlalchemy import text

from vye_pipeline.context import Context
from vye_pipeline.settings import Settings
from vye_pipeline_tests.bench.dagster_runs import LARGE, days_from, run_bare
from vye_pipeline_tests.bench.pipeline import DAY, activate, fill, settle
from vye_pipeline_tests.bench.places import SERVER, opened
from vye_pipeline_tests.bench.processes import TIMES, in_a_process

RECORDS = 5_000_000
A_DAY = 20_000
# As in VYE's tables the ids of records, user_infos and clones are lower than those of the days; the
# user profiles are those of all days, as veterans verify every month.
BEFORE = """
CREATE TEMPORARY TABLE past AS
SELECT i, DATE '2000-01-03' + (i - 1) / CAST(:a_day AS int) AS day,
       (i - 1) % CAST(:a_day AS int) + 1 AS line_number,
       i - CAST(:records AS int) AS record_id, 1 + i % CAST(:profiles AS int) AS user_profile_id,
       TIMESTAMPTZ '2000-01-03 12:00+00' AS moment
FROM generate_series(1, CAST(:records AS int)) AS i;
INSERT INTO files (partition_date, kind, file_name, object_key, snapshot_name, first_claimed_at,
       claimed_at, fingerprint, byte_count, line_count)
SELECT DISTINCT day, 'verifications', 'past', 'past/' || day, 'past', moment, moment,
       repeat('0', 64), 30, CAST(:a_day AS bigint) FROM past;
INSERT INTO partition_clones (bdn_clone_id, kind, partition_date)
SELECT day - DATE '2000-01-03' - CAST(:records AS int), 'verifications', day FROM past GROUP BY day;
INSERT INTO claims (kind, record_id, partition_date, user_info_id, user_profile_id, bdn_clone_id,
       created_at, transact_date, disposition, line_number, is_vanished)
SELECT 'verifications', record_id, day, record_id, user_profile_id,
       day - DATE '2000-01-03' - CAST(:records AS int), moment, day, 'line', line_number, FALSE
FROM past;
INSERT INTO deliveries (partition_date, kind, object_key, fingerprint, byte_count, line_count,
       delivered_at)
SELECT DISTINCT day, 'verifications', 'past/' || day, repeat('0', 64), 30,
       CAST(:a_day AS bigint), moment FROM past;
INSERT INTO reconciliations (partition_date, kind, record_id, user_profile_id, line_number, status,
       acknowledgement_key, reconciled_at)
SELECT day, 'verifications', record_id, user_profile_id, line_number, 'acknowledged', 'past',
       moment FROM past;
"""


def measure(users: int = LARGE, records: int = RECORDS, times: int = TIMES) -> dict[str, float]:
    """Times days on PostgreSQL.

    Args:
        users: who verify each day.
        records: in the history.
        times: how many days, after one to warm up.

    Returns:
        Seconds of a day `with` and `without` them; `users` and `records`.
    """
    days = days_from(DAY, 1 + times)
    with opened(SERVER, ledgers=2) as (without, with_history):
        for settings in (without, with_history):
            in_a_process(fill, settings, users, days)
        in_a_process(put, with_history, users * len(days), records)
        timed = in_a_process(_days, without, with_history, days)
    return {"users": users, "records": records, **timed}


def put(settings: Settings, profiles: int, records: int) -> None:
    """Puts delivered and acknowledged days into a ledger, and lets it settle."""
    engine = Context(settings).ledger.engine
    values = {"a_day": min(A_DAY, records), "profiles": profiles, "records": records}
    with engine.begin() as connection:
        for statement in filter(str.strip, BEFORE.split(";")):
            used = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), used)
    settle(engine)
    with engine.connect() as connection:
        for table in ("claims", "reconciliations"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == records


def _days(without: Settings, with_history: Settings, days: Sequence[date]) -> dict[str, float]:
    """Runs each day in both worlds, in changing order; the first day warms."""
    worlds = {"without": Context(without), "with": Context(with_history)}
    taken: dict[str, list[float]] = {name: [] for name in worlds}
    for number, day in enumerate(days):
        for name in sorted(worlds, reverse=bool(number % 2)):
            activate(worlds[name], day)
            began = perf_counter()
            run_bare(worlds[name], day)
            taken[name].append(perf_counter() - began)
    return {name: median(mine[1:] or mine) for name, mine in taken.items()}
