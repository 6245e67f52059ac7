"""A day that the ledger knows can be reached, whatever calendar, first and last day say now."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off
from vye_pipeline.cli.commands import run
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.ledger.days import days_on_record, newest_on_record
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.reporting.days import DAYS_SHOWN, days_between, days_shown
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.integration.daemon import Daemon, open_history
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.years import put_days

IN_PRODUCTIONS_SHAPE = True

pytestmark = pytest.mark.long

DAY = DAYS[0]
CHANGES = [
    {"closures": f"{DAY}=Executive order"},
    {"start_date": DAYS[2]},
    {"end_date": DAY - timedelta(days=1), "start_date": DAY - timedelta(days=1)},
]


@pytest.fixture
def failed(embedded: Settings) -> Rehearsal:
    """A world whose first day has failed."""
    rehearsal = Rehearsal.prepare(embedded.model_copy(update={"start_date": DAY}))
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    assert len(rehearsal.egress(DAY)) == 1
    rehearsal.refuse_nothing()
    return rehearsal


@pytest.mark.parametrize("change", CHANGES)
def test_a_failed_day_that_is_none_any_more_is_sent_by_the_next_retry(
    failed: Rehearsal, change: dict[str, object]
) -> None:
    changed = Rehearsal.open(failed.pipeline.settings.model_copy(update=change))
    with open_history() as instance:
        daemon = Daemon(changed.pipeline, instance, at(DAY, hours=20))
        (again,) = daemon.schedule("retry_before_cut_off", cut_off(DAYS[1]) - timedelta(minutes=30))
    assert again.success
    assert changed.day(DAY, VERIFICATIONS).delivery == "delivered"


@pytest.mark.parametrize("change", CHANGES)
def test_a_failed_day_that_is_none_any_more_is_explained_run_and_backfilled(
    failed: Rehearsal,
    change: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VYE_LOCAL_DIR", str(failed.pipeline.settings.local_dir))
    monkeypatch.setenv("VYE_START_DATE", str(DAY))
    for name, value in change.items():
        monkeypatch.setenv(f"VYE_{name.upper()}", str(value))
    settings = load_settings()
    assert DAY in days_of(settings)
    assert run(["explain", str(DAY)]) == 0
    assert "vye backfill --failed" in capsys.readouterr().out
    assert run(["backfill", "--failed"]) == 0
    assert f"{DAY}: delivered" in capsys.readouterr().out
    assert run(["egress", str(DAY)]) == 0


def days_of(settings: Settings) -> list[date]:
    return Context(settings).ledger.read(
        lambda connection: days_between(connection, settings, at(DAYS[3]))
    )


def test_the_partitions_are_those_of_the_calendar_and_of_the_ledger() -> None:
    first, last = date(2025, 4, 21), date(2025, 5, 2)
    settings = load_settings(start_date=first, end_date=last, closures="2025-04-23=Executive order")
    known = [date(2025, 4, 11), date(2025, 4, 23), date(2025, 5, 7), date(2025, 5, 10)]
    keys = business_day_partitions(settings, known).get_partition_keys()
    by_calendar = FEDERAL_CALENDAR.business_days(first, last)
    assert keys == sorted({*map(str, by_calendar), *map(str, known[:3])})


def test_definitions_are_made_while_the_ledger_is_away(embedded: Settings) -> None:
    away = embedded.model_copy(update={"ledger_url": "postgresql://nobody@localhost:1/none"})
    assert build_definitions(Context(away)).get_repository_def()


def test_the_last_days_and_whatever_is_open_are_shown(failed: Rehearsal) -> None:
    pipeline, settings = failed.pipeline, failed.pipeline.settings
    calendar = settings.calendar
    ledger = pipeline.ledger
    newest = calendar.business_days_after(DAY, 2 * DAYS_SHOWN - 1)
    with ledger.transaction() as connection:
        put_days(connection, list(calendar.business_days(DAYS[1], newest)))
    shown = ledger.read(lambda connection: days_shown(connection, settings, at(newest)))
    assert shown == [DAY, *list(calendar.business_days(DAY, newest))[-DAYS_SHOWN:]]
    years_later = at(date(2035, 1, 3))
    shown = ledger.read(lambda connection: days_shown(connection, settings, years_later))
    assert len(shown) == 1 + 2 * DAYS_SHOWN
    assert ledger.read(lambda connection: newest_on_record(connection, 1)) == [newest]
    assert len(ledger.read(days_on_record)) == 2 * DAYS_SHOWN
