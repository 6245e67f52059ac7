"""What has waited for long is one alarm, told once, however many days it is of."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.alerting.open_items import NEWEST_DAYS
from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.years import put_days

RECORDS = 2
KINDS = 3
DAYS_BEFORE = tuple(FEDERAL_CALENDAR.business_days(date(2024, 10, 1), date(2025, 3, 31)))
TODAY = DAYS[0]


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """Half a year of days whose records BDN has all rejected."""
    prepared = Rehearsal.prepare(settings)
    with prepared.pipeline.ledger.engine.begin() as connection:
        put_days(connection, DAYS_BEFORE, RECORDS, status="rejected")
    return prepared


def manual(rehearsal: Rehearsal, now: datetime) -> list[Alarm]:
    found = alarms(rehearsal.pipeline, now)
    return [one for one in found if one.subject.startswith("manual reconciliation")]


def test_each_of_the_newest_days_has_an_alarm_and_all_older_ones_together(
    rehearsal: Rehearsal,
) -> None:
    *newest, older = manual(rehearsal, at(TODAY, hours=1))
    assert len(newest) == NEWEST_DAYS
    days = len(DAYS_BEFORE) - NEWEST_DAYS
    assert f"{days * KINDS * RECORDS} records of {days} days" in older.text


def test_a_day_that_grows_old_is_no_news_but_a_new_item_on_an_old_day_is(
    rehearsal: Rehearsal,
) -> None:
    today, week_later = at(TODAY, hours=1), at(TODAY, days=7)
    before, after = (manual(rehearsal, now)[-1] for now in (today, week_later))
    assert before.subject == after.subject
    assert before.text != after.text
    assert after.facts <= before.facts
    changed = text(
        "UPDATE reconciliations SET reconciled_at = :at WHERE record_id ="
        " (SELECT min(record_id) FROM reconciliations)"
    )
    with rehearsal.pipeline.ledger.engine.begin() as connection:
        connection.execute(changed, {"at": week_later - timedelta(hours=1)})
    assert not manual(rehearsal, week_later)[-1].facts <= after.facts
