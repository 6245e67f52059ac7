"""What people hold back stays out of every file until they release it, and then goes out once."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.cli.commands import run
from vye_pipeline.egress.deliver import load_upload_file
from vye_pipeline.egress.expire import expire
from vye_pipeline.egress.hold import hold
from vye_pipeline.errors import Cause, UsageError
from vye_pipeline.ledger.guards import create_guards, drop_guards
from vye_pipeline.ledger.models import HELD, LINE
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.recovery.recover import recover
from vye_pipeline.reporting.calendar import Affected, affected
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.test_days import sums_hold

IN_PRODUCTIONS_SHAPE = True
FIRST, SECOND, THIRD = DAYS[:3]


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    return rehearsal


def decide(rehearsal: Rehearsal, profile: int, now: datetime, *, is_held: bool) -> None:
    hold(
        rehearsal.pipeline,
        profile,
        [VERIFICATIONS],
        is_held=is_held,
        reason="the account change is in doubt" if is_held else "the veteran confirmed it",
        decided_by="operator",
        now=now,
    )


def somebody(rehearsal: Rehearsal, *, comes_again: bool = False) -> int:
    """Returns a user profile with a verification of the first day, which fails.

    Args:
        rehearsal: the pipeline.
        comes_again: whether the profile has another one on the second day.
    """
    rehearsal.refuse(FIRST)
    rehearsal.egress(FIRST, VERIFICATIONS)
    rehearsal.refuse_nothing()
    claims = rehearsal.pipeline.ledger.claimed(FIRST, VERIFICATIONS)[1]
    first = claims.loc[claims["disposition"] == LINE, "user_profile_id"].tolist()
    with rehearsal.pipeline.vye.engine().connect() as connection:
        query = (
            "SELECT user_profile_id FROM vye_user_infos WHERE bdn_clone_id = 2"
            " AND id IN (SELECT user_info_id FROM vye_verifications)"
        )
        second = set(connection.scalars(text(query)))
    return int(next(one for one in first if (one in second) == comes_again))


def lines(rehearsal: Rehearsal, day: date) -> list[bytes]:
    return rehearsal.sent()[outbound_key(VERIFICATIONS, day)].splitlines()


def rendered(rehearsal: Rehearsal) -> list[bytes]:
    """Returns the lines of the first day as they would go out without a hold."""
    return load_upload_file(rehearsal.pipeline, FIRST, VERIFICATIONS).splitlines()


def items(rehearsal: Rehearsal, profile: int) -> list[Affected]:
    found = rehearsal.pipeline.ledger.read(lambda connection: affected(connection, DAYS))
    return [item for item in found if item.user_profile_id == profile]


@pytest.mark.central
def test_a_held_record_leaves_a_file_that_failed_and_goes_out_with_the_next_day(
    rehearsal: Rehearsal,
) -> None:
    profile = somebody(rehearsal)
    whole = rendered(rehearsal)
    decide(rehearsal, profile, at(FIRST, minutes=2), is_held=True)
    assert rehearsal.egress(FIRST, now=at(FIRST, minutes=3)) == []
    sent = lines(rehearsal, FIRST)
    (held_line,) = set(whole) - set(sent)
    assert len(sent) == len(whole) - 1
    assert rehearsal.day(FIRST, VERIFICATIONS).counts["held"] == 1
    assert sums_hold(rehearsal)
    (item,) = (one for one in items(rehearsal, profile) if one.status == "held")
    assert item.needs_manual_reconciliation
    assert item.reason == "held back: the account change is in doubt"
    rehearsal.reconcile(FIRST, VERIFICATIONS, at(FIRST, minutes=4))

    rehearsal.change(  # VYE deletes what it has handed over the same evening
        "DELETE FROM vye_verifications WHERE user_info_id IN"
        " (SELECT id FROM vye_user_infos WHERE bdn_clone_id = 1)"
    )
    decide(rehearsal, profile, at(FIRST, hours=5), is_held=False)
    (item,) = (one for one in items(rehearsal, profile) if one.status == "held")
    assert not item.needs_manual_reconciliation
    assert item.next_step == "wait: the next day that runs sends it"

    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    assert held_line in lines(rehearsal, SECOND)
    assert sum(line == held_line for _, line in rehearsal.lines()) == 1
    assert rehearsal.day(FIRST, VERIFICATIONS).counts["held"] == 0
    assert sums_hold(rehearsal)
    for day in (FIRST, SECOND):
        rehearsal.reconcile(day, VERIFICATIONS, at(SECOND, hours=1))
    assert sums_hold(rehearsal)
    assert "held" not in {one.status for one in items(rehearsal, profile)}


def test_a_profile_stays_held_day_after_day_and_its_newest_record_goes_when_released(
    rehearsal: Rehearsal,
) -> None:
    profile = somebody(rehearsal)
    rehearsal.change(
        "UPDATE vye_user_infos SET user_profile_id = :profile WHERE id ="
        " (SELECT max(user_info_id) FROM vye_verifications WHERE user_info_id IN"
        " (SELECT id FROM vye_user_infos WHERE bdn_clone_id = 2))",
        profile=profile,
    )
    decide(rehearsal, profile, at(FIRST), is_held=True)
    for day in (FIRST, SECOND):
        assert rehearsal.egress(day) == []
        assert HELD in dispositions(rehearsal, day, profile)
        assert LINE not in dispositions(rehearsal, day, profile)
        rehearsal.dawn()
    decide(rehearsal, profile, at(SECOND, hours=1), is_held=False)
    assert rehearsal.egress(THIRD) == []
    assert {HELD} & {
        *dispositions(rehearsal, FIRST, profile),
        *dispositions(rehearsal, SECOND, profile),
        *dispositions(rehearsal, THIRD, profile),
    } == set()
    assert LINE in dispositions(rehearsal, THIRD, profile)
    assert sums_hold(rehearsal)


def dispositions(rehearsal: Rehearsal, day: date, profile: int) -> list[str]:
    claims = rehearsal.pipeline.ledger.claimed(day, VERIFICATIONS)[1]
    return claims.loc[claims["user_profile_id"] == profile, "disposition"].tolist()


def test_a_released_record_that_a_newer_one_overtakes_is_never_sent(rehearsal: Rehearsal) -> None:
    profile = somebody(rehearsal, comes_again=True)
    (held_line,) = set(rendered(rehearsal)) - set(lines_without(rehearsal, profile))
    decide(rehearsal, profile, at(FIRST, hours=1), is_held=False)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    assert "superseded" in dispositions(rehearsal, SECOND, profile)
    assert held_line not in {line for _, line in rehearsal.lines()}
    assert sums_hold(rehearsal)


def lines_without(rehearsal: Rehearsal, profile: int) -> list[bytes]:
    """Holds a user profile back, and returns the first day's lines."""
    decide(rehearsal, profile, at(FIRST), is_held=True)
    assert rehearsal.egress(FIRST) == []
    return lines(rehearsal, FIRST)


def test_two_decisions_on_one_thing_are_one(rehearsal: Rehearsal) -> None:
    decide(rehearsal, 1, at(FIRST), is_held=True)
    with pytest.raises(UsageError, match="held back already"):
        decide(rehearsal, 1, at(FIRST, minutes=1), is_held=True)
    decide(rehearsal, 1, at(FIRST, minutes=2), is_held=False)
    with pytest.raises(UsageError, match="not held back"):
        decide(rehearsal, 1, at(FIRST, minutes=3), is_held=False)


def test_the_database_lets_nothing_but_held_records_leave_a_delivered_day(
    rehearsal: Rehearsal,
) -> None:
    profile = somebody(rehearsal)
    decide(rehearsal, profile, at(FIRST), is_held=True)
    rehearsal.egress(FIRST)
    ledger = rehearsal.pipeline.ledger
    for statement in (
        "DELETE FROM claims WHERE disposition = 'line'",
        "DELETE FROM claims",
        "UPDATE claims SET disposition = 'quarantined' WHERE disposition = 'held'",
        "UPDATE holds SET reason = 'another'",
        "DELETE FROM holds",
    ):
        with pytest.raises(DBAPIError), ledger.engine.begin() as connection:
            connection.execute(text(statement))


@pytest.mark.central
def test_a_ledger_that_has_forgotten_a_hold_puts_nothing_before_it_is_recovered(
    rehearsal: Rehearsal,
) -> None:
    profile = somebody(rehearsal)
    decide(rehearsal, profile, at(FIRST, minutes=2), is_held=True)
    forget_holds(rehearsal)
    failures = rehearsal.egress(FIRST, VERIFICATIONS, now=at(FIRST, minutes=3))
    assert [one.cause for one in failures] == [Cause.LEDGER]
    assert "holds/verifications" in failures[0].what
    assert rehearsal.sent() == {}
    done = recover(rehearsal.pipeline, FIRST, FIRST, at(FIRST, minutes=4))
    assert f"user profile {profile}: verifications held back again" in done.taken_up
    assert rehearsal.egress(FIRST, VERIFICATIONS, now=at(FIRST, minutes=5)) == []
    assert rehearsal.day(FIRST, VERIFICATIONS).counts["held"] == 1


def forget_holds(rehearsal: Rehearsal) -> None:
    """Makes the ledger as it was before, as far as holds go."""
    with rehearsal.pipeline.ledger.engine.begin() as connection:
        drop_guards(connection)
        connection.execute(text("DELETE FROM holds"))
        create_guards(connection)


def test_what_has_been_held_back_for_long_is_an_alert(rehearsal: Rehearsal) -> None:
    decide(rehearsal, 1, at(FIRST), is_held=True)

    def subjects(now: datetime) -> set[str]:
        return {alarm.subject for alarm in alarms(rehearsal.pipeline, now)}

    days = rehearsal.pipeline.settings.hold_alert_days
    assert "records held back" not in subjects(at(FIRST) + timedelta(days=days))
    assert "records held back" in subjects(at(FIRST, minutes=1) + timedelta(days=days))
    decide(rehearsal, 1, at(FIRST) + timedelta(days=days + 1), is_held=False)
    assert "records held back" not in subjects(at(FIRST) + timedelta(days=days + 2))


def test_the_content_of_a_held_record_does_not_expire(rehearsal: Rehearsal) -> None:
    profile = somebody(rehearsal)
    decide(rehearsal, profile, at(FIRST), is_held=True)
    for kind in KINDS:
        rehearsal.egress(FIRST, kind)
    later = at(FIRST, days=400)
    for kind in KINDS:
        rehearsal.reconcile(FIRST, kind, later)
    expired = expire(rehearsal.pipeline, 30, later, is_rehearsed=True)
    assert (FIRST, VERIFICATIONS.name) not in expired.files


def test_the_commands_say_what_follows(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = somebody(rehearsal)
    settings = rehearsal.pipeline.settings
    monkeypatch.setattr("vye_pipeline.cli.holding.load_settings", lambda: settings)
    rest = ["--kind", "verifications", "--reason", "a call came in"]
    assert run(["hold", str(profile), *rest]) == 0
    assert run(["hold", str(profile), *rest]) == 2
    assert run(["hold", "999999", *rest]) == 2
    said = capsys.readouterr()
    assert f"{FIRST}: is taken out of the file by the next run of the day" in said.out
    assert "VYE has no user profile 999999" in said.err
    assert rehearsal.egress(FIRST, now=at(FIRST, minutes=3)) == []
    assert run(["release", str(profile), *rest]) == 0
    assert f"{FIRST}: goes out with the next day that runs" in capsys.readouterr().out
    assert run(["hold", str(profile), "--reason", "SSN 900123456 is wrong"]) == 2
