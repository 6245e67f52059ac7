"""Waiting is not overdue: what BDN may still answer, what it should have answered, what it did."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.alerting.fault_rates import NEWEST, unusual
from vye_pipeline.bdn.file_names import acknowledgement_key
from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.cli.commands import run
from vye_pipeline.ledger.open_work import awaited_files
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.fault_history import FaultyDay, fault_history
from vye_pipeline.reporting.fault_rate import LEAST_DAYS, Faults
from vye_pipeline.reporting.funnel import Funnel, funnels
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults as BdnFaults
from vye_pipeline.simulation.stand_in_bdn import answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.test_answers import answer, lines_of

IN_PRODUCTIONS_SHAPE = True
DAY = DAYS[0]
KEY = acknowledgement_key(VERIFICATIONS, DAY)
DUE_AT = FEDERAL_CALENDAR.deadline(DAY, at(DAY, minutes=1))
A_DAY_BEFORE = FEDERAL_CALENDAR.before(DUE_AT, 1)
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    assert prepared.egress(DAY) == []
    return prepared


def told(rehearsal: Rehearsal, now: datetime, subject: str) -> list[Alarm]:
    return [one for one in alarms(rehearsal.pipeline, now) if subject in one.subject]


def test_an_answer_that_is_not_there_is_one_alarm_a_file_before_its_lines_are_missing(
    rehearsal: Rehearsal,
) -> None:
    assert told(rehearsal, A_DAY_BEFORE - A_MINUTE, "BDN's answer") == []
    due = told(rehearsal, A_DAY_BEFORE, "BDN's answer")
    assert [one.subject.split()[4] for one in due] == sorted(kind.name for kind in KINDS)
    lines = lines_of(rehearsal)
    assert f"has not answered {len(lines)} verifications" in due[-1].text
    rehearsal.outage.put(KEY, answer(lines[:-2], len(lines)))
    rehearsal.reconcile(DAY, VERIFICATIONS, at(DAY, hours=9))
    (left,) = told(rehearsal, A_DAY_BEFORE, "BDN's answer to the verifications")
    assert "has not answered 2 verifications" in left.text
    assert left.facts == due[-1].facts, "the same news is told once"
    rehearsal.reconcile(DAY, VERIFICATIONS, DUE_AT + A_MINUTE)
    assert told(rehearsal, DUE_AT + A_MINUTE, "BDN's answer to the verifications") == []
    (manual,) = told(rehearsal, DUE_AT + A_MINUTE, f"manual reconciliation of {DAY}")
    assert "2 missing" in manual.text


def test_the_setting_says_how_long_before(settings: Settings) -> None:
    early = settings.model_copy(update={"answer_alert_business_days": 2})
    rehearsal = Rehearsal.prepare(early)
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    two_days_before = FEDERAL_CALENDAR.before(DUE_AT, 2)
    assert told(rehearsal, two_days_before - A_MINUTE, "BDN's answer") == []
    assert len(told(rehearsal, two_days_before, "BDN's answer")) == len(KINDS)


def test_awaited_lines_are_those_that_are_pending_whether_reconciled_or_not(
    rehearsal: Rehearsal,
) -> None:
    never_reconciled = rehearsal.pipeline.ledger.read(awaited_files)
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, at(DAY, hours=1))
    assert rehearsal.pipeline.ledger.read(awaited_files) == never_reconciled
    assert {one.kind: one.lines for one in never_reconciled} == {
        kind.name: rehearsal.day(DAY, kind).counts["pending"] for kind in KINDS
    }


def test_the_calendar_says_until_when_lines_may_be_answered(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = rehearsal.pipeline.settings
    monkeypatch.setattr("vye_pipeline.cli.looking.load_settings", lambda: settings)
    monkeypatch.setenv("COLUMNS", "200")
    asked = ["status", "--from", str(DAY), "--to", str(DAY)]
    assert run([*asked, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["due_at"] for row in rows} == {DUE_AT.isoformat()}
    assert run(asked) == 0
    assert f"pending until {DUE_AT:%Y-%m-%d %H:%M}" in capsys.readouterr().out
    answer_partition(rehearsal.outage, DAY, BdnFaults(), received_at=at(DAY, hours=1))
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, at(DAY, hours=2))
    assert run([*asked, "--json"]) == 0
    assert {row["due_at"] for row in json.loads(capsys.readouterr().out)} == {None}


def answers(rehearsal: Rehearsal) -> list[Funnel]:
    return rehearsal.pipeline.ledger.read(lambda connection: funnels(connection, DAY, DAY))


def test_each_answer_has_a_funnel_that_adds_up(rehearsal: Rehearsal) -> None:
    lines = lines_of(rehearsal)
    count, half = len(lines), len(lines) // 2
    stranger = "XYZ    " + "990000000" + lines[0][16:]
    given = [
        (KEY, answer(lines[:half], count)),
        (f"{KEY}.2", answer([*lines, stranger], count + 1)),
        (f"{KEY}.3", answer(lines, count)),
    ]
    for hour, (key, content) in enumerate(given, 3):
        rehearsal.outage.put(key, content)
        rehearsal.reconcile(DAY, VERIFICATIONS, at(DAY, hours=hour))
    first, second, third = answers(rehearsal)
    assert (first.spoken_of, first.matched, first.changed) == (half, half, half)
    assert (second.spoken_of, second.matched, second.unexpected) == (count + 1, count, 1)
    assert (second.changed, second.nothing_new) == (count - half, half)
    assert (third.matched, third.changed, third.nothing_new) == (count, 0, count)
    for one in (first, second, third):
        assert one.spoken_of == one.changed + one.nothing_new + one.unexpected
    words = second.in_words()
    assert words == (
        f"of {count + 1} lines {count} matched, {count - half} changed a status, "
        f"{half} said nothing new, 1 never sent"
    )


def test_an_answer_that_is_put_again_changed_is_another_one(rehearsal: Rehearsal) -> None:
    lines = lines_of(rehearsal)
    for hour, rejected in enumerate((frozenset[int](), frozenset({1, 2})), 3):
        rehearsal.outage.put(KEY, answer(lines, len(lines), rejected))
        rehearsal.reconcile(DAY, VERIFICATIONS, at(DAY, hours=hour))
    before, after = answers(rehearsal)
    assert (before.changed, after.changed, after.nothing_new) == (len(lines), 2, len(lines) - 2)


def test_an_ignored_answer_matches_nothing_and_says_why(rehearsal: Rehearsal) -> None:
    lines = lines_of(rehearsal)
    early = answer(lines, len(lines)).replace(b"20250401120000", b"20250331040000")
    rehearsal.outage.put(KEY, early)
    rehearsal.reconcile(DAY, VERIFICATIONS, at(DAY, hours=3))
    (one,) = answers(rehearsal)
    assert (one.matched, one.changed, one.nothing_new) == (0, 0, 0)
    assert "before our file was put" in one.in_words()


def test_the_history_of_faults_is_what_the_calendar_counts(rehearsal: Rehearsal) -> None:
    answer_partition(rehearsal.outage, DAY, BdnFaults(reject=2), received_at=at(DAY, hours=1))
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, at(DAY, hours=2))
    found = rehearsal.pipeline.ledger.read(lambda connection: fault_history(connection, DAY))
    for kind in KINDS:
        row = rehearsal.day(DAY, kind)
        quarantined, rejected = row.counts["quarantined"], row.counts["rejected"]
        assert {one.status: one.faults for one in found if one.kind == kind.name} == {
            Status.QUARANTINED: Faults(quarantined, row.lines + quarantined),
            Status.REJECTED: Faults(rejected, row.lines),
        }


def days_with(*faults: int) -> list[FaultyDay]:
    first = date(2025, 4, 1)
    return [
        FaultyDay(first + timedelta(days=n), "verifications", Status.REJECTED, Faults(count, 1000))
        for n, count in enumerate(faults)
    ]


def test_only_the_newest_days_with_unusually_many_faults_are_told() -> None:
    quiet = [10] * LEAST_DAYS
    assert list(unusual(days_with(*quiet, 10, 12, 0))) == []
    assert [day.partition_date for day, _ in unusual(days_with(*quiet, 200, 10))] == [
        date(2025, 4, 1) + timedelta(days=LEAST_DAYS)
    ]
    assert list(unusual(days_with(*quiet, 200, *[10] * NEWEST))) == []
    assert list(unusual(days_with(*quiet[:-1], 200))) == [], "too few days say what is usual"
