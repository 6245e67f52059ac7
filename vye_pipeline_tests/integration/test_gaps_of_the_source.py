"""What VYE's database lacks is counted and reported, never dropped by a join or a comparison."""

from __future__ import annotations

import sqlite3
from contextlib import closing, nullcontext
from functools import partial

import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import text

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress import gap, size
from vye_pipeline.egress.claim import take_export_ready
from vye_pipeline.egress.deliver import deliver, keep_upload_file, make_upload_file
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.egress.gap import accept_gap, refuse_gap
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.ledger.gaps import Caught
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.reporting.calendar import affected
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

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


def findings(rehearsal: Rehearsal, kind: Kind = VERIFICATIONS) -> set[tuple[int, str, str]]:
    found = rehearsal.pipeline.ledger.findings(DAYS[0], kind)
    found = found[found["is_quarantining"]]
    return set(found[["record_id", "field", "code"]].itertuples(index=False, name=None))


def records_of_one(rehearsal: Rehearsal) -> int:
    with rehearsal.pipeline.vye_engine.connect() as connection:
        query = f"SELECT max(id) FROM vye_verifications WHERE user_info_id = ({OF_CLONE_1})"
        return int(connection.scalar(text(query)) or 0)


def test_a_verification_without_user_info_is_quarantined_once_by_the_next_day(
    rehearsal: Rehearsal,
) -> None:
    with rehearsal.pipeline.vye_engine.connect() as connection:
        query = text(f"SELECT id FROM vye_verifications WHERE user_info_id = ({OF_CLONE_1})")
        record, *others = sorted(connection.scalars(query))
    rehearsal.change(
        "UPDATE vye_verifications SET user_info_id = NULL, created_at = :moment WHERE id = :record",
        record=record,
        moment=at(DAYS[0], hours=-1).replace(tzinfo=None),
    )
    rehearsal.change(
        "INSERT INTO vye_verifications (id, transact_date, source_ind, created_at, updated_at)"
        " VALUES (987654321, '2025-01-02', 'W', :moment, :moment)",
        moment=at(DAYS[0], days=-30).replace(tzinfo=None),
    )
    for day in DAYS[:2]:
        rehearsal.dawn()
        assert rehearsal.egress(day) == []
    assert {(one, field) for one, field, _ in findings(rehearsal)} >= {(record, "user_info_id")}
    claims = [
        set(rehearsal.pipeline.ledger.claimed(day, VERIFICATIONS)[1]["record_id"])
        for day in DAYS[:2]
    ]
    assert record in claims[0]
    assert record not in claims[1]
    assert 987654321 not in claims[0] | claims[1]
    items = rehearsal.pipeline.ledger.read(
        lambda connection: affected(connection, [DAYS[0]], VERIFICATIONS.name)
    )
    assert [
        "names no row of vye_user_infos" in one.reason for one in items if one.record_id == record
    ] == [True]
    assert not set(others) & {one.record_id for one in items}


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_whose_user_info_is_absent_is_quarantined(
    rehearsal: Rehearsal, kind: Kind
) -> None:
    query = f"SELECT max(each.id) FROM {kind.table} AS each JOIN vye_user_infos AS info"
    with rehearsal.pipeline.vye_engine.connect() as connection:
        record = connection.scalar(
            text(f"{query} ON info.id = each.user_info_id WHERE info.bdn_clone_id = 1")
        )
    without_foreign_keys(
        rehearsal, f"UPDATE {kind.table} SET user_info_id = 987654321 WHERE id = {record}"
    )
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    found = findings(rehearsal, kind)
    assert "user_info_id" in {field for one, field, _ in found if one == record}


def test_a_reference_that_is_cut_after_the_claim_changes_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    rehearsal.refuse(DAYS[0])
    assert rehearsal.egress(DAYS[0])
    claimed = rehearsal.pipeline.ledger.claimed(DAYS[0], VERIFICATIONS)[1]
    rehearsal.change(
        "UPDATE vye_verifications SET user_info_id = NULL WHERE user_info_id IN"
        " (SELECT id FROM vye_user_infos WHERE bdn_clone_id = 1)"
    )
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAYS[0]) == []
    again = rehearsal.pipeline.ledger.claimed(DAYS[0], VERIFICATIONS)[1]
    assert_frame_equal(
        again.drop(columns="is_vanished"), claimed.drop(columns="is_vanished"), check_dtype=False
    )
    rehearsal.dawn()
    assert [error for error in rehearsal.egress(DAYS[1]) if error.cause == Cause.DEFECT] == []
    later = rehearsal.pipeline.ledger.claimed(DAYS[1], VERIFICATIONS)[1]
    assert not set(later["record_id"]) & set(claimed["record_id"])


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
        lambda connection: affected(connection, [DAYS[0]], VERIFICATIONS.name)
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
    rehearsal.look_later()
    assert rehearsal.flag(1) is None


def test_missing_identities_are_a_fault_of_the_source_and_heal(rehearsal: Rehearsal) -> None:
    identities = "UPDATE mpi_identities SET ssn = {}"
    rehearsal.change_identities("ALTER TABLE mpi_identities ADD COLUMN kept TEXT")
    rehearsal.change_identities("UPDATE mpi_identities SET kept = ssn")
    rehearsal.change_identities(identities.format("NULL"))
    rehearsal.dawn()
    failures = rehearsal.egress(DAYS[0])
    assert [failure.cause for failure in failures] == [Cause.SOURCE] * len(KINDS)
    for failure in failures:
        assert "ssn is required and is blank (rule required)" in failure.what
        assert "identities are missing" in failure.what
    assert rehearsal.sent() == {}
    assert all(rehearsal.day(DAYS[0], kind).delivery == "failed" for kind in KINDS)
    items = rehearsal.pipeline.ledger.read(
        lambda connection: affected(connection, [DAYS[0]], VERIFICATIONS.name)
    )
    assert len(items) == rehearsal.pipeline.ledger.record_count(DAYS[0], VERIFICATIONS)
    rehearsal.change_identities(identities.format("kept"))
    assert rehearsal.egress(DAYS[0]) == []
    assert len(rehearsal.sent()) == len(KINDS)


def test_a_file_that_was_rendered_before_the_gap_is_not_put(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    pipeline, now = rehearsal.pipeline, at(DAYS[0], minutes=1)
    export = take_export_ready(pipeline, DAYS[0], VERIFICATIONS, now)
    content = make_upload_file(VERIFICATIONS, export)
    keep_upload_file(pipeline, DAYS[0], VERIFICATIONS, export, content)
    rehearsal.change_identities("UPDATE mpi_identities SET ssn = NULL")
    for _ in range(2):
        with pytest.raises(PipelineError, match="caught by one rule"):
            take_export_ready(pipeline, DAYS[0], VERIFICATIONS, now)
        with pytest.raises(PipelineError, match="caught by one rule"):
            deliver(pipeline, DAYS[0], VERIFICATIONS, content, now)
    assert rehearsal.sent() == {}


def test_who_insists_is_recorded_for_so_many_records_and_no_more(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gap, "MANY", 5)
    one = f"(SELECT max(id) FROM vye_verifications WHERE user_info_id = ({OF_CLONE_1}))"
    rehearsal.change(f"UPDATE vye_verifications SET source_ind = 'Q' WHERE id <> {one}")
    rehearsal.dawn()
    pipeline, now = rehearsal.pipeline, at(DAYS[0], minutes=1)
    accept = partial(
        accept_gap, pipeline, DAYS[0], VERIFICATIONS, accepted_by="ada", reason="known", now=now
    )
    with pytest.raises(UsageError, match="nothing to accept"):
        accept()
    (failure,) = rehearsal.egress(DAYS[0], VERIFICATIONS)
    assert "source_ind is neither W nor P" in failure.what
    accept()
    rehearsal.change(f"UPDATE vye_verifications SET source_ind = 'Q' WHERE id = {one}")
    (failure,) = rehearsal.egress(DAYS[0], VERIFICATIONS)
    accept()
    assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []
    assert set(rehearsal.sent().values()) == {b""}


@pytest.mark.parametrize(("share", "is_refused"), [(0.2, True), (1.0, False)])
def test_the_share_is_a_setting(embedded: Settings, share: float, is_refused: bool) -> None:
    rehearsal = Rehearsal.prepare(embedded.model_copy(update={"max_quarantined_share": share}))
    rehearsal.change("UPDATE vye_user_infos SET stub_nm = NULL")
    rehearsal.dawn()
    failures = rehearsal.egress(DAYS[0], VERIFICATIONS)
    assert bool(failures) == is_refused


@pytest.mark.parametrize(
    ("caught", "count", "is_gap"),
    [(19, 90, False), (20, 99, True), (20, 100, False), (2, 2, False), (3, 3, True), (0, 0, False)],
)
def test_how_many_are_too_many(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, caught: int, count: int, is_gap: bool
) -> None:
    context = Context(embedded)
    rules = [Caught("ssn", "ssn", caught, count, 0)] if caught else []
    monkeypatch.setattr(context.ledger, "caught", lambda *_: rules)
    with pytest.raises(PipelineError) if is_gap else nullcontext():
        refuse_gap(context, DAYS[0], VERIFICATIONS)


def test_an_icn_that_stands_there_twice_is_the_sources_fault(rehearsal: Rehearsal) -> None:
    rehearsal.change_identities("ALTER TABLE mpi_identities RENAME TO identities_once")
    rehearsal.change_identities(
        "CREATE TABLE mpi_identities AS "
        "SELECT icn, ssn FROM identities_once UNION ALL SELECT icn, ssn FROM identities_once"
    )
    rehearsal.dawn()
    failures = rehearsal.egress(DAYS[0])
    if rehearsal.pipeline.settings.identities_url:  # asked, not joined: one answer said twice
        assert failures == []
        return
    assert [failure.cause for failure in failures] == [Cause.SOURCE] * len(KINDS)
    assert "an ICN stands twice in mpi_identities" in failures[0].what
    assert rehearsal.sent() == {}


def test_a_day_that_makes_too_large_a_file_is_refused_before_it_is_claimed(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.dawn()
    with monkeypatch.context() as patching:
        patching.setattr(size, "MOST_BYTES", 100)
        failures = rehearsal.egress(DAYS[0], VERIFICATIONS)
    assert [error.cause for error in failures] == [Cause.SOURCE]
    assert "100 is the most" in failures[0].what
    assert rehearsal.pipeline.ledger.record_count(DAYS[0], VERIFICATIONS) == 0
    assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []
    key = outbound_key(VERIFICATIONS, DAYS[0])
    sent = len(rehearsal.outage.get(key))
    export = load_export_ready(rehearsal.pipeline, DAYS[0], VERIFICATIONS)
    with monkeypatch.context() as patching:
        patching.setattr(size, "MOST_BYTES", sent - 1)
        with pytest.raises(PipelineError):
            size.refuse_too_large(DAYS[0], VERIFICATIONS, export.records)
