"""What is shown by default is found by indexes, whatever SQLite knows of the tables' contents."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event

from vye_pipeline.ledger.connection import keep_statistics
from vye_pipeline.ledger.ledger import open_ledger
from vye_pipeline.ledger.views import open_items, rejection_reasons
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.days import DAYS_SHOWN, days_shown
from vye_pipeline.reporting.page.facts import facts
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import at
from vye_pipeline_tests.integration.years import TEN_YEARS, put_days

Question = Callable[[Connection, list[date]], Any]
QUESTIONS: dict[str, Question] = {
    "status": calendar,
    "affected": affected,
    "open items": lambda connection, days: connection.execute(open_items(days)).all(),
    "reasons": lambda connection, days: connection.execute(rejection_reasons(days)).all(),
}
READS_ALL_CLAIMS = re.compile(
    r"SCAN (claims|reconciliations)\b|SEARCH claims .*kind=\? AND partition_date>\?"
)
READS_ALL = re.compile(r"SCAN (claims|reconciliations|findings|evidence|resolutions|owners)\b")
OF_WHAT_IS_OPEN = "reconciliations_open"


def plans(connection: Connection, ask: Callable[[], Any]) -> list[str]:
    """Returns the steps by which SQLite answers what is asked meanwhile."""
    statements: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        statements.append((given[2], given[3]))

    event.listen(connection, "before_cursor_execute", note)
    ask()
    event.remove(connection, "before_cursor_execute", note)
    return [
        str(step[3])
        for statement, parameters in statements
        for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    ]


@pytest.mark.parametrize("has_statistics", [False, True])
def test_what_is_shown_reads_no_history(embedded: Settings, has_statistics: bool) -> None:
    settings = embedded.model_copy(update={"start_date": TEN_YEARS[0]})
    engine = open_ledger(settings).engine
    now = at(TEN_YEARS[299], hours=1)
    with engine.begin() as connection:
        put_days(connection, TEN_YEARS[:1], status="rejected")
        put_days(connection, TEN_YEARS[1:300], first_id=2_000_000)
    with engine.begin() as connection:
        if has_statistics:
            connection.exec_driver_sql("ANALYZE")
    with engine.begin() as connection:
        days = days_shown(connection, settings, now)
        assert days == [TEN_YEARS[0], *TEN_YEARS[300 - DAYS_SHOWN : 300]]
        for name, question in {"days": days_shown_then(settings), **QUESTIONS}.items():
            steps = plans(connection, partial(question, connection, days))
            assert steps, name
            bad = [one for one in steps if READS_ALL.match(one) and OF_WHAT_IS_OPEN not in one]
            assert bad == [], name


def test_the_page_looks_each_file_up_by_its_day(embedded: Settings) -> None:
    settings = embedded.model_copy(update={"start_date": TEN_YEARS[0]})
    now, days = at(TEN_YEARS[299], hours=1), TEN_YEARS[50:300]
    with open_ledger(settings).engine.begin() as connection:
        put_days(connection, TEN_YEARS[:300], records=20)
        keep_statistics(connection)
        steps = plans(
            connection, partial(facts, connection, settings.calendar, days, now, previous=now)
        )
        bad = [one for one in steps if READS_ALL_CLAIMS.match(one)]
        assert [one for one in bad if OF_WHAT_IS_OPEN not in one] == []


def days_shown_then(settings: Settings) -> Question:
    now = at(TEN_YEARS[299], hours=1)
    return lambda connection, _: days_shown(connection, settings, now)
