"""The analysts' views: documented, equal to the commands, and good for five questions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, end_of_day
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.ledger.views import VIEWS, documentation
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.records.rules import in_words
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

PAGE = (CHECKOUT / "docs" / "analysts.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def embedded_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an embedded pipeline with the four days."""
    folder = tmp_path_factory.mktemp("days") / "local"
    four_days(load_settings(local_dir=folder)).pipeline.ledger.engine.dispose()
    return folder


@pytest.fixture(scope="module")
def on_servers() -> list[Rehearsal]:
    """The pipeline on servers, made by the first test; what one adds doesn't concern the others."""
    return []


@pytest.fixture
def rehearsal(
    settings: Settings, on_servers: list[Rehearsal], request: pytest.FixtureRequest
) -> Rehearsal:
    """Four days: one upload fails, BDN rejects, garbles, loses and leaves open."""
    if settings.database_url is not None:
        on_servers.extend([] if on_servers else [four_days(settings)])
        return on_servers[0]
    shutil.copytree(request.getfixturevalue("embedded_days"), settings.folder)
    return Rehearsal.open(settings)


def four_days(settings: Settings) -> Rehearsal:
    rehearsal = Rehearsal.prepare(settings)
    for number, day in enumerate(DAYS):
        rehearsal.dawn()
        failing = {outbound_key(VERIFICATIONS, day)} if number == len(DAYS) - 1 else set()
        rehearsal.outage.refused = frozenset(failing)
        rehearsal.egress(day)
        faults = Faults(reject=3, drop=1, garble=1, late=1)
        answer_partition(rehearsal.outage, day, faults, received_at=at(day, hours=2), seed=number)
        for kind in KINDS:
            rehearsal.reconcile(day, kind, end_of_day(day))
    return rehearsal


def ask(rehearsal: Rehearsal, query: str) -> Rows:
    with rehearsal.pipeline.ledger.transaction() as connection:
        return [dict(row._mapping) for row in connection.execute(text(query))]


def test_the_page_describes_the_views_as_they_are() -> None:
    assert documentation() in PAGE


def test_each_view_has_the_documented_columns_with_comments(rehearsal: Rehearsal) -> None:
    inspector = inspect(rehearsal.pipeline.ledger.engine)
    assert set(inspector.get_view_names()) == {view.name for view in VIEWS}
    for view in VIEWS:
        columns = inspector.get_columns(view.name)
        assert [column["name"] for column in columns] == list(view.columns)
        if inspector.dialect.name == "postgresql":
            assert [column["comment"] for column in columns] == list(view.columns.values())


def test_the_days_are_those_of_the_calendar(rehearsal: Rehearsal) -> None:
    rows = {
        (str(row["partition_date"]), row["kind"]): row
        for row in ask(rehearsal, "SELECT * FROM reconciliation_by_day")
    }
    with rehearsal.pipeline.ledger.transaction() as connection:
        days = calendar(connection, DAYS)
    assert len(rows) == len(days)
    for day in days:
        row = rows[day.partition_date.isoformat(), day.kind]
        assert row["delivery"] == day.delivery
        assert row["line_count"] == day.lines
        assert row["export_ready_count"] == day.export_ready
        assert row["replaced_count"] == day.replaced
        assert bool(row["is_settled"]) == day.is_settled
        assert {status: row[f"{status}_count"] for status in Status} == day.counts


def test_what_is_open_is_what_vye_affected_shows_and_leaves_when_resolved(
    rehearsal: Rehearsal,
) -> None:
    def listed() -> set[tuple[str, int | None]]:
        rows = ask(rehearsal, "SELECT * FROM manual_reconciliation_open")
        assert all(row["next_step"] for row in rows)
        return {(row["kind"], row["record_id"]) for row in rows}

    def expected() -> set[tuple[str, int | None]]:
        with rehearsal.pipeline.ledger.transaction() as connection:
            items = affected(connection, DAYS)
        return {(item.kind, item.record_id) for item in items if item.is_open}

    before = listed()
    assert before == expected()
    row = ask(rehearsal, "SELECT * FROM manual_reconciliation_open WHERE record_id > 0")[0]
    day = next(day for day in DAYS if str(day) == str(row["partition_date"]))
    closed_at = end_of_day(FEDERAL_CALENDAR.business_days_after(day, 1))
    wanted = [Resolution(row["user_profile_id"], day, None, "called BDN")]
    resolve(rehearsal.pipeline.ledger, wanted, resolved_by="analyst", now=closed_at)
    assert listed() == expected() < before
    closed = ask(rehearsal, "SELECT * FROM manual_reconciliation_history WHERE note IS NOT NULL")
    assert (row["kind"], row["record_id"]) in {(one["kind"], one["record_id"]) for one in closed}
    assert {one["resolved_by"] for one in closed} == {"analyst"}


def test_the_views_and_vye_affected_use_the_same_words(rehearsal: Rehearsal) -> None:
    with rehearsal.pipeline.ledger.transaction() as connection:
        items = {
            (item.kind, item.record_id, item.line_number): (item.reason, item.next_step)
            for item in affected(connection, DAYS)
            if item.is_open
        }
    rows = {
        (row["kind"], row["record_id"], row["line_number"]): (row["reason"], row["next_step"])
        for row in ask(rehearsal, "SELECT * FROM manual_reconciliation_open")
    }
    assert items
    assert rows == items


def test_each_broken_rule_is_said_of_its_own_field(rehearsal: Rehearsal) -> None:
    broken = ask(
        rehearsal, "SELECT kind, record_id, field, code FROM findings WHERE is_quarantining"
    )
    expected: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for row in sorted(broken, key=lambda row: (row["field"], row["code"])):
        expected.setdefault((row["kind"], row["record_id"]), []).append((row["field"], row["code"]))
    with rehearsal.pipeline.ledger.transaction() as connection:
        items = affected(connection, DAYS)
    quarantined = {
        (item.kind, item.record_id): item.reason
        for item in items
        if item.status == Status.QUARANTINED
    }
    assert quarantined == {
        record: "; ".join(in_words(code, field) for field, code in faults)
        for record, faults in expected.items()
        if record in quarantined
    }


def test_deliveries_failures_and_redeliveries_are_in_their_history(rehearsal: Rehearsal) -> None:
    redeliver(
        rehearsal.pipeline,
        DAYS[0],
        VERIFICATIONS,
        requested_by="operator",
        reason="BDN lost it",
        now=at(DAYS[0], hours=9),
    )
    rows = ask(rehearsal, "SELECT * FROM delivery_history")
    events = [row["event"] for row in rows]
    assert {event: events.count(event) for event in set(events)} == {
        "delivered": len(DAYS) * len(KINDS) - 1,
        "delivered again": 1,
        "failed": 1,
    }
    failed = next(row for row in rows if row["event"] == "failed")
    assert failed["cause"] == "upload"
    assert "AccessDenied" in failed["what"]


def test_the_five_questions_have_answers(rehearsal: Rehearsal) -> None:
    failed, accepted, reasons, waiting, repeated = (ask(rehearsal, one) for one in QUESTIONS)
    assert [(str(row["partition_date"]), row["kind"], row["cause"]) for row in failed] == [
        (str(DAYS[-1]), "verifications", "upload")
    ]
    assert all(0 <= row["acknowledged_percent"] <= 100 for row in accepted)
    assert sum(row["record_count"] for row in reasons) == 3 * len(DAYS)
    assert [row["since"] for row in waiting] == sorted(row["since"] for row in waiting)
    assert all(row["day_count"] > 1 for row in repeated)
