"""What VYE's database lacks is counted and reported, never dropped by a join or a comparison."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import affected
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

VERIFICATIONS = KINDS[0]
OF_CLONE_1 = (
    "SELECT min(id) FROM vye_user_infos WHERE bdn_clone_id = 1 "
    "AND id IN (SELECT user_info_id FROM vye_verifications)"
)
TIMES = ("infinity", "-infinity", "0044-03-15 00:00:00 BC")


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings)


def without_foreign_keys(rehearsal: Rehearsal, statement: str) -> None:
    """Changes VYE's database as production's, which declares no foreign keys, allows it."""
    engine = rehearsal.pipeline.vye.engine()
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(engine.url.database))) as file, file:
            file.execute(statement)
        return
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement))


def findings(rehearsal: Rehearsal) -> set[tuple[int, str, str]]:
    found = rehearsal.pipeline.ledger.findings(DAYS[0], VERIFICATIONS)
    found = found[found["is_quarantining"]]
    return set(found[["record_id", "field", "code"]].itertuples(index=False, name=None))


def records_of_one(rehearsal: Rehearsal) -> int:
    with rehearsal.pipeline.vye_engine.connect() as connection:
        query = f"SELECT max(id) FROM vye_verifications WHERE user_info_id = ({OF_CLONE_1})"
        return int(connection.scalar(text(query)) or 0)


@pytest.mark.parametrize("gap", ["NULL", "987654321"])
def test_a_record_without_profile_is_quarantined_and_reported(
    rehearsal: Rehearsal, gap: str
) -> None:
    record = records_of_one(rehearsal)
    without_foreign_keys(
        rehearsal, f"UPDATE vye_user_infos SET user_profile_id = {gap} WHERE id = ({OF_CLONE_1})"
    )
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    assert (record, "user_profile_id", "no_user_profile") in findings(rehearsal)
    items = rehearsal.pipeline.ledger.read(
        lambda connection: affected(connection, DAYS[0], DAYS[0], VERIFICATIONS.name)
    )
    (item,) = (item for item in items if item.record_id == record)
    assert (item.user_profile_id, item.status, item.is_open) == (None, "quarantined", True)


@pytest.mark.parametrize("time", TIMES)
def test_a_record_of_no_time_is_quarantined_by_its_id_and_jams_nothing(
    rehearsal: Rehearsal, time: str
) -> None:
    record = records_of_one(rehearsal)
    rehearsal.change(f"UPDATE vye_verifications SET created_at = '{time}' WHERE id = {record}")
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    assert (record, "created_at", "no_time") in findings(rehearsal)
    assert rehearsal.flag(1) is None
