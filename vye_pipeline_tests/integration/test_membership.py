"""Which partition a record belongs to, when a day runs, and what becomes of a clone's flag."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.business_days import cut_off
from vye_pipeline.egress.clone_flags import look_at_clones, settle_clones
from vye_pipeline.egress.due import due_days
from vye_pipeline.egress.membership import owner_of, record_closings
from vye_pipeline.egress.unclaimed import find_unclaimed
from vye_pipeline.errors import Cause, PipelineError, Postponed
from vye_pipeline.ledger.models import CLAIMS, FAILURES, OWNERS, RELEASES
from vye_pipeline.ledger.open_work import failed_files
from vye_pipeline.records import KINDS, VERIFICATIONS, kind_named
from vye_pipeline.reporting.calendar import CLOSED, FAILED, MISSING
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.vye_database.tables import BdnClone
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DEPOSITS = kind_named("direct_deposit_changes")
LATE_RECORD = 999_999
FRIDAY, MONDAY, TUESDAY = date(2025, 4, 4), date(2025, 4, 7), date(2025, 4, 8)


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings)


def commit_late(rehearsal: Rehearsal, clone: int) -> None:
    """Lets a verification become visible that was created hours ago."""
    rehearsal.change(
        "INSERT INTO vye_verifications (id, user_info_id, user_profile_id, transact_date,"
        f" source_ind, created_at, updated_at) SELECT {LATE_RECORD}, i.id, i.user_profile_id,"
        " '2025-03-31', 'W', '2025-03-31 12:00:00.000000', '2025-03-31 12:00:00.000000'"
        " FROM vye_user_infos i WHERE i.id = (SELECT min(id) FROM vye_user_infos"
        f" WHERE bdn_clone_id = {clone} AND NOT EXISTS (SELECT 1 FROM vye_verifications v"
        " WHERE v.user_info_id = vye_user_infos.id))"
    )


def owners(rehearsal: Rehearsal) -> set[tuple[int, date | None]]:
    query = select(OWNERS.c.bdn_clone_id, OWNERS.c.partition_date)
    return set(rehearsal.pipeline.ledger.read(lambda one: one.execute(query).all()))


def releases(rehearsal: Rehearsal) -> list[tuple[int, bool | None, str]]:
    query = select(RELEASES.c.bdn_clone_id, RELEASES.c.export_ready, RELEASES.c.reason)
    return list(
        rehearsal.pipeline.ledger.read(lambda one: one.execute(query.order_by(RELEASES.c.id)).all())
    )


@pytest.mark.parametrize(
    ("closed_at", "delivered", "owner"),
    [
        (cut_off(MONDAY), set(), MONDAY),
        (cut_off(MONDAY) - timedelta(minutes=60), set(), MONDAY),
        (cut_off(MONDAY) - timedelta(minutes=61), set(), FRIDAY),
        (cut_off(FRIDAY) + timedelta(days=1), set(), FRIDAY),
        (cut_off(FRIDAY) + timedelta(hours=2), {FRIDAY}, MONDAY),
        (cut_off(FRIDAY) + timedelta(hours=2), {FRIDAY, MONDAY}, TUESDAY),
        (cut_off(date(2025, 3, 3)), set(), date(2025, 4, 1)),
        (cut_off(TUESDAY) + timedelta(hours=20), set(), TUESDAY),
        (cut_off(date(2025, 4, 9)), set(), None),
        (cut_off(TUESDAY), {TUESDAY}, None),
    ],
)
def test_a_clone_is_owned_by_the_day_in_whose_window_it_was_closed(
    closed_at: datetime, delivered: set[date], owner: date | None
) -> None:
    settings = load_settings(start_date=date(2025, 4, 1), end_date=TUESDAY)
    assert owner_of(settings, closed_at, delivered) == owner


@pytest.mark.parametrize("year", [1, 2030])
def test_a_closing_at_no_possible_moment_counts_from_the_look_that_sees_it(
    rehearsal: Rehearsal, year: int
) -> None:
    rehearsal.dawn()
    moment = datetime(year, 1, 1)  # noqa: DTZ001 - as VYE keeps it
    with rehearsal.pipeline.vye.engine().begin() as connection:
        connection.execute(update(BdnClone).where(BdnClone.id == 1).values(updated_at=moment))
    record_closings(rehearsal.pipeline, at(DAYS[1], minutes=3))
    assert owners(rehearsal) == {(1, DAYS[1])}


def test_what_becomes_visible_late_is_reported_and_goes_with_the_next_day(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    ledger, later = rehearsal.pipeline.ledger, at(DAYS[0], hours=3)
    assert find_unclaimed(rehearsal.pipeline, ledger, later) == []
    commit_late(rehearsal, clone=1)
    (record,) = find_unclaimed(rehearsal.pipeline, ledger, later)
    assert (record.partition_date, record.record_id) == (DAYS[0], LATE_RECORD)
    subjects = {alarm.subject for alarm in alarms(rehearsal.pipeline, later)}
    assert "unclaimed records" in subjects
    settle_clones(rehearsal.pipeline, later)
    assert rehearsal.flag(1) is False, "a clone with an unclaimed record isn't handed back"
    assert due_days(rehearsal.pipeline, at(DAYS[1], hours=5)) == [], "leftovers start nothing"
    failures = rehearsal.egress(DAYS[1], VERIFICATIONS)
    assert [failure.cause for failure in failures] == [Cause.SOURCE]
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[1]) == []
    assert LATE_RECORD in set(ledger.claimed(DAYS[1], VERIFICATIONS)[1]["record_id"])
    assert find_unclaimed(rehearsal.pipeline, ledger, at(DAYS[1], hours=3)) == []
    settle_clones(rehearsal.pipeline, at(DAYS[1], hours=3))
    assert (rehearsal.flag(1), rehearsal.flag(2)) == (None, None)


def test_a_day_without_a_clone_fails_and_is_closed_by_the_next_one(rehearsal: Rehearsal) -> None:
    assert {failure.cause for failure in rehearsal.egress(DAYS[0])} == {Cause.SOURCE}
    assert rehearsal.day(DAYS[0], VERIFICATIONS).delivery == FAILED
    rehearsal.dawn(cut_off(DAYS[1]))
    again = rehearsal.egress(DAYS[0], now=at(DAYS[1], minutes=-10))  # vye backfill --failed
    assert {failure.cause for failure in again} == {Cause.SOURCE}
    assert rehearsal.lines() == []
    assert rehearsal.egress(DAYS[1]) == []
    assert rehearsal.unclaimed(VERIFICATIONS, 1) == []
    assert {rehearsal.day(DAYS[0], kind).delivery for kind in KINDS} == {CLOSED}
    assert rehearsal.day(DAYS[0], VERIFICATIONS).cause is None
    assert rehearsal.pipeline.ledger.read(failed_files) == []
    count = rehearsal.pipeline.ledger.read(lambda one: len(one.execute(select(FAILURES)).all()))
    closed = rehearsal.egress(DAYS[0], now=at(DAYS[1], hours=3))
    assert all(isinstance(failure, Postponed) for failure in closed)
    after = rehearsal.pipeline.ledger.read(lambda one: len(one.execute(select(FAILURES)).all()))
    assert count == after
    settle_clones(rehearsal.pipeline, at(DAYS[1], hours=3))
    assert rehearsal.flag(1) is None


def test_a_day_that_never_ran_is_taken_up_by_a_later_one_after_four_hours(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    (early, *_) = rehearsal.egress(DAYS[1], now=at(DAYS[1], hours=3))
    assert isinstance(early, Postponed)
    assert rehearsal.lines() == []
    assert rehearsal.egress(DAYS[1], now=at(DAYS[1], hours=4)) == []
    assert {rehearsal.day(DAYS[0], kind).delivery for kind in KINDS} == {CLOSED}


def test_a_clone_starts_its_day_at_any_hour(rehearsal: Rehearsal) -> None:
    ledger, pipeline = rehearsal.pipeline.ledger, rehearsal.pipeline
    assert due_days(pipeline, at(DAYS[0], hours=5)) == []
    rehearsal.dawn(at(DAYS[0], minutes=-40))
    look_at_clones(pipeline, at(DAYS[0], minutes=-39))
    (due,) = due_days(pipeline, at(DAYS[0], minutes=-39))
    assert (due.partition_date, due.is_to_be_put, due.clone_ids) == (DAYS[0], False, (1,))
    assert set(due.kinds) == {kind.name for kind in KINDS}
    rehearsal.egress(DAYS[0], now=at(DAYS[0], minutes=-39))
    assert ledger.record_count(DAYS[0], VERIFICATIONS) > 0
    assert due_days(pipeline, at(DAYS[0], minutes=-10)) == []
    (due,) = due_days(pipeline, at(DAYS[0], minutes=1))
    assert due.is_to_be_put
    assert rehearsal.egress(DAYS[0]) == []
    assert due_days(pipeline, at(DAYS[0], minutes=5)) == []


def test_a_day_that_was_missed_goes_out_when_the_pipeline_is_back(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    later = at(DAYS[2], hours=1)
    record_closings(rehearsal.pipeline, later)
    (due,) = due_days(rehearsal.pipeline, later)
    assert (due.partition_date, due.is_to_be_put) == (DAYS[0], True)
    rehearsal.refuse(DAYS[0])
    assert len(rehearsal.egress(DAYS[0], now=later)) == len(KINDS)
    assert due_days(rehearsal.pipeline, later) == [], "what has failed is for the next morning"


def test_vye_activates_twice_and_the_second_clone_goes_with_the_next_day(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    rehearsal.dawn(at(DAYS[0], hours=2))
    look_at_clones(rehearsal.pipeline, at(DAYS[0], hours=2))
    assert owners(rehearsal) == {(1, DAYS[0]), (2, DAYS[1])}
    assert rehearsal.flag(2) is False, "VYE can activate its next one"
    assert rehearsal.egress(DAYS[1], now=at(DAYS[1], hours=4)) == []
    assert rehearsal.unclaimed(VERIFICATIONS, 1, 2) == []


def test_of_two_clones_in_one_file_the_older_change_of_a_profile_is_superseded(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    record_closings(rehearsal.pipeline, at(DAYS[0], minutes=1))
    settle_clones(rehearsal.pipeline, at(DAYS[0], minutes=1))
    rehearsal.dawn()
    rehearsal.change(  # created later than any of the newer clone: the closings decide
        "UPDATE vye_direct_deposit_changes SET created_at = '2026-01-01 00:00:00.000000'"
        " WHERE user_info_id IN (SELECT id FROM vye_user_infos WHERE bdn_clone_id = 1)"
    )
    assert rehearsal.egress(DAYS[1]) == []
    columns = (CLAIMS.c.user_profile_id, CLAIMS.c.bdn_clone_id, CLAIMS.c.disposition)
    rows = rehearsal.pipeline.ledger.read(
        lambda one: one.execute(select(*columns).where(CLAIMS.c.kind == DEPOSITS.name)).all()
    )
    newer = {row.user_profile_id for row in rows if row[1:] == (2, "line")}
    older = {row.user_profile_id for row in rows if row[1:] == (1, "line")}
    superseded = {row.user_profile_id for row in rows if row[1:] == (1, "superseded")}
    assert superseded
    assert superseded <= newer
    assert not older & newer


def test_the_flag_is_released_at_once_and_handed_back_an_hour_later_with_reasons(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    before = clone_row(rehearsal)
    look_at_clones(rehearsal.pipeline, at(DAYS[0], minutes=-5))
    assert rehearsal.flag(1) is False
    assert rehearsal.egress(DAYS[0]) == []
    assert rehearsal.flag(1) is False
    for hours in (1, 2):
        look_at_clones(rehearsal.pipeline, at(DAYS[0], hours=hours))
        assert rehearsal.flag(1) is None
    assert clone_row(rehearsal) == before, "updated_at is VYE's"
    assert [(clone, flag) for clone, flag, _ in releases(rehearsal)] == [(1, False), (1, None)]
    assert all(reason for _, _, reason in releases(rehearsal))


def clone_row(rehearsal: Rehearsal) -> object:
    with rehearsal.pipeline.vye.engine().connect() as connection:
        return connection.scalar(text("SELECT updated_at FROM vye_bdn_clones WHERE id = 1"))


def test_a_clone_at_false_counts_as_one_at_true_once_anything_was_ever_read(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.change("UPDATE vye_bdn_clones SET is_active = NULL, export_ready = false WHERE id=4")
    rehearsal.dawn()
    record_closings(rehearsal.pipeline, at(DAYS[0], minutes=1))
    assert owners(rehearsal) == {(1, DAYS[0]), (4, None)}, "nobody has read anything before"
    assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []
    rehearsal.change("UPDATE vye_bdn_clones SET is_active = NULL, export_ready = false WHERE id=3")
    record_closings(rehearsal.pipeline, at(DAYS[2], minutes=1))
    assert {clone for clone, day in owners(rehearsal) if day is not None} == {1, 3}


def test_a_clone_that_is_closed_after_the_last_day_is_said_and_left_alone(
    settings: Settings,
) -> None:
    rehearsal = Rehearsal.prepare(settings.model_copy(update={"end_date": DAYS[0]}))
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    assert not unowned(rehearsal)
    rehearsal.look_later()
    rehearsal.dawn()
    rehearsal.look_later()
    (text,) = unowned(rehearsal)
    assert "BDN clones (2) after VYE_END_DATE" in text
    assert rehearsal.flag(2) is True


def unowned(rehearsal: Rehearsal) -> list[str]:
    now = at(DAYS[-1], hours=12)
    found = alarms(rehearsal.pipeline, now)
    return [alarm.text for alarm in found if alarm.subject == "clones after the last day"]


def test_what_the_source_holds_back_is_said(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    rehearsal.change("ALTER TABLE vye_verifications RENAME TO elsewhere")
    with pytest.raises(PipelineError):
        find_unclaimed(rehearsal.pipeline, rehearsal.pipeline.ledger, at(DAYS[0], hours=2))
    told = {alarm.subject: alarm.text for alarm in alarms(rehearsal.pipeline, at(DAYS[0], hours=2))}
    assert "can't look for new clones and late records" in told["VYE's database"]
    assert rehearsal.day(DAYS[1], VERIFICATIONS).delivery == MISSING
    assert due_days(rehearsal.pipeline, at(DAYS[0], hours=2)) == []
