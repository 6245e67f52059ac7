"""What was known when, and what a person has closed: kept through every later answer."""

from __future__ import annotations

from datetime import date, datetime
from threading import Thread

import pandas as pd
import pytest
from sqlalchemy import select

from vye_pipeline.business_days import FEDERAL_CALENDAR, end_of_day
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger import history
from vye_pipeline.ledger.models import RECONCILIATIONS
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.calendar import Affected, Day, affected, calendar
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

pytestmark = pytest.mark.long

DAY = DAYS[0]
BLOCKED_SECONDS = 0.5
NO_ROWS = pd.DataFrame(
    columns=[
        "record_id", "user_profile_id", "line_number", "status", "reason_code", "fields",
        "acknowledgement_key",
    ]
)  # fmt: skip


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    return prepared


def known_at(rehearsal: Rehearsal, moment: datetime) -> Day:
    with rehearsal.pipeline.ledger.transaction() as connection:
        return calendar(connection, [DAY], moment)[KINDS.index(VERIFICATIONS)]


def items(rehearsal: Rehearsal) -> list[Affected]:
    with rehearsal.pipeline.ledger.transaction() as connection:
        return affected(connection, [DAY], VERIFICATIONS.name)


def reconciled(rehearsal: Rehearsal, day: date) -> None:
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, end_of_day(day))


def test_what_was_known_on_each_day_can_be_asked_later(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY) == []
    reconciled(rehearsal, DAY)
    answer_partition(rehearsal.outage, DAY, Faults(late=3), received_at=at(DAY, hours=1))
    days = [FEDERAL_CALENDAR.business_days_after(DAY, count) for count in (0, 1, 5, 9)]
    reconciled(rehearsal, days[1])
    reconciled(rehearsal, days[2])
    answer_partition(rehearsal.outage, DAY, Faults(), received_at=at(days[3]))
    reconciled(rehearsal, days[3])
    known = [known_at(rehearsal, end_of_day(day)) for day in days]
    lines = known[0].lines
    assert [day.counts[Status.PENDING] for day in known] == [lines, 3, 0, 0]
    assert [day.counts[Status.MISSING] for day in known] == [0, 0, 3, 0]
    assert [day.counts[Status.ACKNOWLEDGED] for day in known] == [0, lines - 3, lines - 3, lines]
    assert {day.export_ready for day in known} == {known[0].export_ready}
    assert known_at(rehearsal, at(DAY, hours=-1)).delivery == "missing"
    assert rehearsal.day(DAY, VERIFICATIONS) == known[-1]


def test_a_failed_day_was_a_failed_day_before_it_was_delivered(rehearsal: Rehearsal) -> None:
    rehearsal.refuse(DAY, VERIFICATIONS)
    assert len(rehearsal.egress(DAY)) == 1
    reconciled(rehearsal, DAY)
    rehearsal.refuse_nothing()
    later = FEDERAL_CALENDAR.business_days_after(DAY, 1)
    assert rehearsal.egress(DAY, now=end_of_day(later)) == []
    reconciled(rehearsal, later)
    then, now = known_at(rehearsal, end_of_day(DAY)), rehearsal.day(DAY, VERIFICATIONS)
    assert (then.delivery, then.cause, now.delivery, now.cause) == (
        "failed",
        "upload",
        "delivered",
        None,
    )
    assert then.counts[Status.UNDELIVERED] == now.counts[Status.PENDING] == now.lines


def test_only_changes_are_written(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY) == []
    for _ in range(3):
        reconciled(rehearsal, DAY)
    with rehearsal.pipeline.ledger.transaction() as connection:
        rows = connection.execute(select(RECONCILIATIONS.c.record_id, RECONCILIATIONS.c.kind)).all()
    assert len(rows) == len(set(rows))


def test_a_status_that_can_not_follow_is_refused_and_nothing_changes(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY) == []
    reconciled(rehearsal, DAY)
    rows = rehearsal.reconcile(DAY, VERIFICATIONS, end_of_day(DAY))
    back = rows.assign(status=str(Status.UNDELIVERED))
    with pytest.raises(PipelineError, match="that was pending can't become undelivered"):
        rehearsal.pipeline.ledger.reconcile(DAY, VERIFICATIONS, back, end_of_day(DAY))
    assert known_at(rehearsal, end_of_day(DAY)).counts[Status.UNDELIVERED] == 0


def unexpected(rehearsal: Rehearsal) -> list[int]:
    """Returns the numbers of the unexpected lines that hold now."""
    query = select(RECONCILIATIONS.c.line_number).where(
        RECONCILIATIONS.c.kind == VERIFICATIONS.name,
        RECONCILIATIONS.c.record_id.is_(None),
        RECONCILIATIONS.c.replaced_at.is_(None),
    )
    with rehearsal.pipeline.ledger.transaction() as connection:
        return sorted(connection.scalars(query))


def with_unexpected(rows: pd.DataFrame, *line_numbers: int) -> pd.DataFrame:
    """Adds lines that nobody has sent to what became of records."""
    lines = pd.DataFrame({"line_number": line_numbers, "status": str(Status.UNEXPECTED)})
    return pd.concat([rows, lines], ignore_index=True).astype({"record_id": "Int64"})


def test_unexpected_lines_change_all_at_once_and_records_by_themselves(
    rehearsal: Rehearsal,
) -> None:
    for day in DAYS[:2]:
        assert rehearsal.egress(day) == []
        rehearsal.dawn()
    ledger, now = rehearsal.pipeline.ledger, end_of_day(DAY)
    ledger.reconcile(DAYS[1], VERIFICATIONS, with_unexpected(NO_ROWS, 99), now)
    rows = rehearsal.reconcile(DAY, VERIFICATIONS, now)
    pending = known_at(rehearsal, now).counts[Status.PENDING]
    for lines in ((7,), (7, 7, 8), (7, 8), ()):
        ledger.reconcile(DAY, VERIFICATIONS, with_unexpected(rows, *lines), now)
        assert unexpected(rehearsal) == [*lines, 99]
        assert rehearsal.day(DAY, VERIFICATIONS).counts[Status.PENDING] == pending
    ledger.reconcile(DAY, VERIFICATIONS, with_unexpected(rows, 7), now)
    missing = rows.assign(status=str(Status.MISSING))
    ledger.reconcile(DAY, VERIFICATIONS, with_unexpected(missing, 7), now)
    assert unexpected(rehearsal) == [7, 99]
    assert rehearsal.day(DAY, VERIFICATIONS).counts[Status.PENDING] == 0


def test_two_runs_that_find_the_same_unexpected_line_keep_it_once(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY) == []
    ledger, now = rehearsal.pipeline.ledger, end_of_day(DAY)
    rows = with_unexpected(rehearsal.reconcile(DAY, VERIFICATIONS, now), 7)
    other = Thread(target=ledger.reconcile, args=(DAY, VERIFICATIONS, rows, now))
    with ledger.transaction() as connection:
        history.replace(connection, DAY, VERIFICATIONS, rows, now)
        other.start()
        other.join(BLOCKED_SECONDS)
        assert other.is_alive()
    other.join()
    assert unexpected(rehearsal) == [7]


def test_a_person_closes_an_item_and_a_new_problem_opens_it_again(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY) == []
    late = FEDERAL_CALENDAR.business_days_after(DAY, 5)
    reconciled(rehearsal, late)
    profile = next(item.user_profile_id for item in items(rehearsal) if item.status == "missing")
    assert profile is not None

    def close() -> list[str]:
        ((_, kinds),) = resolve(
            rehearsal.pipeline.ledger,
            [Resolution(profile, DAY, "verifications", "called BDN")],
            resolved_by="analyst",
            now=end_of_day(FEDERAL_CALENDAR.business_days_after(DAY, 6)),
        )
        return kinds

    def is_open() -> set[bool]:
        return {item.is_open for item in items(rehearsal) if item.user_profile_id == profile}

    assert is_open() == {True}
    assert close() == ["verifications"]
    assert is_open() == {False}
    with pytest.raises(UsageError, match=f"nothing of user profile {profile} is open on {DAY}"):
        close()
    answer_partition(rehearsal.outage, DAY, Faults(refuse=True), received_at=at(late))
    reconciled(rehearsal, FEDERAL_CALENDAR.business_days_after(DAY, 7))
    assert is_open() == {True}
