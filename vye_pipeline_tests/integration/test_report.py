"""The analysts' page says what the commands say, and nothing personal."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import end_of_day
from vye_pipeline.cli import commands
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.page import report
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

pytestmark = pytest.mark.servers_take_long

CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)
MARKUP = re.compile(r"<[^>]+>")


def rows_of(page: str, heading: str) -> list[list[str]]:
    """Returns the cells of a section's table, as text."""
    section = page.split(f"<h2>{heading}</h2>")[1].split("</table>")[0].split("<tbody>")[1]
    return [
        [html.unescape(MARKUP.sub("", cell)).strip() for cell in CELL.findall(row)]
        for row in ROW.findall(section)
    ]


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """Two days: BDN rejects and loses lines of the first, an upload fails on the second."""
    prepared = Rehearsal.prepare(settings)
    for number, day in enumerate(DAYS[:2]):
        prepared.dawn()
        prepared.outage.refused = frozenset({outbound_key(VERIFICATIONS, day)} if number else ())
        prepared.egress(day)
        faults = Faults(reject=3, drop=2)
        answer_partition(prepared.outage, day, faults, received_at=at(day, hours=2))
        for kind in KINDS:
            prepared.reconcile(day, kind, end_of_day(day))
    return prepared


def test_the_page_says_what_the_commands_say(rehearsal: Rehearsal) -> None:
    page = report(rehearsal.pipeline.ledger, DAYS, end_of_day(DAYS[-1]))
    with rehearsal.pipeline.ledger.transaction() as connection:
        days = [day for day in calendar(connection, DAYS) if day.delivery != "missing"]
        items = [item for item in affected(connection, DAYS[0], DAYS[-1]) if item.is_open]
    shown = rows_of(page, "Days")
    assert len(shown) == len(days)
    assert sum(int(row[3]) for row in shown) == sum(day.export_ready for day in days)
    assert [row[2] for row in shown].count("failed: upload") == 1
    assert len(rows_of(page, "Who needs a person")) == len(items)
    assert sum(int(row[-1]) for row in rows_of(page, "Why BDN rejects")) == 6
    (failure,) = rows_of(page, "What failed")
    assert "AccessDenied" in failure[3]


def test_nothing_personal_is_on_the_page(rehearsal: Rehearsal) -> None:
    page = report(rehearsal.pipeline.ledger, DAYS, end_of_day(DAYS[-1]))
    for kind in KINDS:
        records = load_export_ready(rehearsal.pipeline, DAYS[0], kind).records
        for column in kind.columns:
            if column.is_sensitive:
                long = records[column.name][records[column.name].str.len() > 5]
                assert not [value for value in long if html.escape(str(value)) in page]


def test_before_any_day_has_run_the_page_says_so(embedded: Settings) -> None:
    page = report(Rehearsal.prepare(embedded).pipeline.ledger, [], end_of_day(DAYS[0]))
    assert rows_of(page, "Days") == [["no day has run yet"]]


def test_the_command_writes_the_page_where_it_is_told(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Rehearsal.prepare(embedded)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["report"]) == commands.SUCCESS
    assert commands.run(["report", "--out", str(tmp_path / "page.html")]) == commands.SUCCESS
    assert embedded.report_file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "page.html").exists()
    assert (
        commands.run(["report", "--out", str(tmp_path / "no" / "page.html")]) == commands.BAD_USAGE
    )
