"""What an analyst does with the page: five questions, lists, files, the keyboard, paper."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from vye_pipeline.reporting.calendar import Affected, affected, calendar
from vye_pipeline.reporting.resolutions import read_resolutions
from vye_pipeline_tests.browser.conftest import HOSTILE, HOSTILE_CODE, Watched, watched
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

pytestmark = pytest.mark.long

SECTIONS = ("overview", "open", "open?grouped=on", "reasons", "closed")
LOOKS: dict[str, dict[str, Any]] = {
    "wide and light": {"viewport": {"width": 1600, "height": 900}, "color_scheme": "light"},
    "wide and dark": {"viewport": {"width": 1600, "height": 900}, "color_scheme": "dark"},
    "narrow and light": {"viewport": {"width": 320, "height": 900}, "color_scheme": "light"},
    "narrow and dark": {"viewport": {"width": 320, "height": 900}, "color_scheme": "dark"},
    "200 % zoom": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},
}


def open_items(rehearsal: Rehearsal) -> list[Affected]:
    items = rehearsal.pipeline.ledger.read(lambda one: affected(one, DAYS))
    return [one for one in items if one.is_open]


def count_shown(page: Page) -> str:
    return page.locator("#open-count").inner_text()


def test_which_days_failed_and_why_is_on_the_first_screen(analyst: Watched, address: str) -> None:
    page = analyst.page
    page.goto(address)
    failed = page.locator("#failed-days .alert")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("AccessDenied")
    page.get_by_role("link", name=re.compile(f"^{DAYS[2]}: .*not delivered")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{DAYS[2]}: not delivered")
    expect(page.locator("#day-events")).to_contain_text("AccessDenied")
    page.go_back()
    expect(page.locator("#view-overview")).to_be_visible()


def test_what_bdn_may_still_answer_stands_apart_from_what_is_overdue(
    analyst: Watched, address: str, rehearsal: Rehearsal
) -> None:
    page = analyst.page
    page.goto(address)
    rows = rehearsal.pipeline.ledger.read(lambda connection: calendar(connection, DAYS))
    missing = [one for one in open_items(rehearsal) if one.status == "missing"]
    files = {(row.partition_date, row.kind) for row in rows if row.counts["pending"]}
    files |= {(one.partition_date, one.kind) for one in missing}
    shown = page.locator("#awaited tbody tr")
    expect(shown).to_have_count(len(files))
    cells = [row.locator("td, th").all_inner_texts() for row in shown.all()]
    assert sum(int(row[2]) for row in cells) == sum(row.counts["pending"] for row in rows)
    assert sum(int(row[4]) for row in cells) == len(missing)
    assert files


def test_whom_to_call_first_heads_the_list(
    analyst: Watched, address: str, rehearsal: Rehearsal
) -> None:
    page, items = analyst.page, open_items(rehearsal)
    page.goto(f"{address}#open")
    oldest = min(one.partition_date for one in items)
    expect(page.locator(".tabulator-row").first).to_contain_text(str(oldest))
    assert count_shown(page).startswith(f"{len(items)} open items")


def test_a_filter_shows_what_it_says_and_stays_in_the_address(
    analyst: Watched, address: str, rehearsal: Rehearsal
) -> None:
    page = analyst.page
    page.goto(f"{address}#open")
    page.locator("#filters [name=status]").select_option("rejected")
    rejected = [one for one in open_items(rehearsal) if one.status == "rejected"]
    assert count_shown(page).startswith(f"{len(rejected)} items")
    page.reload()
    assert count_shown(page).startswith(f"{len(rejected)} items")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#open-count")).to_contain_text("open items")


def test_what_bdn_rejects_more_than_usual_is_marked(analyst: Watched, address: str) -> None:
    page = analyst.page
    page.goto(f"{address}#reasons")
    expect(page.locator("#reasons-table tbody tr").first).to_be_visible()
    expect(page.locator("#chart-reasons svg").first).to_be_visible()


def test_what_became_of_a_profile_is_one_click_from_the_list(
    analyst: Watched, address: str
) -> None:
    page = analyst.page
    page.goto(f"{address}#open")
    link = page.locator(".tabulator-row a").first
    profile = link.inner_text()
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"User profile {profile}")
    expect(page.locator("#profile-line li").first).to_be_visible()


def test_what_was_closed_is_listed_with_its_note_as_text(analyst: Watched, address: str) -> None:
    page = analyst.page
    page.goto(f"{address}#closed")
    page.locator("#closed-filters [name=since]").select_option("")
    expect(page.locator("#closed-table")).to_contain_text(HOSTILE.split(" =")[0])
    expect(page.locator("#closed-table img")).to_have_count(0)


def test_codes_reasons_and_file_names_are_text_wherever_they_are_shown(
    analyst: Watched, address: str, rehearsal: Rehearsal
) -> None:
    page = analyst.page
    item = next(one for one in open_items(rehearsal) if one.reason_code == HOSTILE_CODE)
    plain = HOSTILE.split(" =")[0]
    places = {
        f"open?code={quote(HOSTILE_CODE)}": "#open-table",
        "reasons": "#reasons-table",
        f"day/{DAYS[2]}": "#day-events",
        f"profile/{item.user_profile_id}": "#profile-open",
    }
    for section, place in places.items():
        page.goto("about:blank")
        page.goto(f"{address}#{section}")
        expect(page.locator(place)).to_contain_text(plain)
        expect(page.locator(f"{place} img, {place} b")).to_have_count(0)
    expect(page.locator("#profile-line")).to_contain_text(HOSTILE_CODE)


def test_what_is_selected_comes_back_as_resolutions(
    analyst: Watched, address: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    page = analyst.page
    page.goto(f"{address}#open")
    page.locator("#filters [name=kind]").select_option("0")
    page.get_by_role("button", name="Select all shown").click()
    with page.expect_download() as started:
        page.locator("#selected-csv").click()
    path = tmp_path / "resolve.csv"
    started.value.save_as(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    filled = tmp_path / "filled.csv"
    with filled.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"note": "called BDN"} for row in rows)
    expected = {
        (one.user_profile_id, one.partition_date)
        for one in open_items(rehearsal)
        if one.kind == "verifications" and one.user_profile_id is not None
    }
    read = read_resolutions(filled)
    assert {(one.user_profile_id, one.partition_date) for one in read} == expected
    assert {one.kind for one in read} == {"verifications"}


def test_the_workbook_holds_the_list_with_numbers_and_dates(
    analyst: Watched, address: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    page = analyst.page
    page.goto(f"{address}#open")
    with page.expect_download() as started:
        page.get_by_role("button", name="XLSX of all shown").click()
    path = tmp_path / "list.xlsx"
    started.value.save_as(path)
    sheet = pd.read_excel(path)
    items = open_items(rehearsal)
    assert sorted(sheet["Record"].dropna().astype(int)) == sorted(
        one.record_id for one in items if one.record_id is not None
    )
    assert set(sheet["Day"].dt.date) == {one.partition_date for one in items}


@pytest.mark.parametrize(
    ("section", "name", "column"),
    [("reasons", "rejections", "Reason code"), ("closed", "closings", "User profile")],
)
def test_each_list_comes_as_files(
    analyst: Watched, address: str, tmp_path: Path, section: str, name: str, column: str
) -> None:
    page = analyst.page
    page.goto(f"{address}#{section}")
    if section == "closed":
        page.locator("#closed-filters [name=since]").select_option("")
    shown = page.locator(f"#{section}-table tbody tr")
    expect(shown.first).to_be_visible()
    frames = []
    for suffix, read in (("CSV", pd.read_csv), ("XLSX", pd.read_excel)):
        with page.expect_download() as started:
            page.get_by_role("button", name=f"{suffix} of the {name}").click()
        path = tmp_path / f"{name}.{suffix.lower()}"
        started.value.save_as(path)
        frames.append(read(path))
    for frame in frames:
        assert len(frame) == shown.count()
    assert frames[0][column].astype("str").tolist() == frames[1][column].astype("str").tolist()
    assert not frames[0].map(lambda cell: str(cell).startswith(("=", "+", "@"))).any(axis=None)


def test_the_list_is_sorted_and_grouped_as_asked(
    analyst: Watched, address: str, rehearsal: Rehearsal
) -> None:
    page = analyst.page
    page.goto(f"{address}#open")
    page.locator(".tabulator-col[tabulator-field=profile] .tabulator-col-content").click()
    rows = page.locator(".tabulator-row [tabulator-field=profile]")
    shown = [int(words) for words in rows.all_inner_texts() if words != "—"]
    assert shown == sorted(shown)
    page.locator("#filters [name=grouped]").check()
    profiles = {one.user_profile_id for one in open_items(rehearsal)}
    headed = page.locator(".tabulator-group")
    expect(headed.first).to_contain_text("User profile")
    assert 0 < headed.count() <= len(profiles)


def test_a_day_shows_its_checks(analyst: Watched, address: str) -> None:
    page = analyst.page
    page.goto(f"{address}#day/{DAYS[2]}")
    expect(page.locator("#day-kinds")).to_contain_text("✕ not sent")
    page.goto(f"{address}#day/{DAYS[0]}")
    checks = page.locator("#day-kinds .checks")
    expect(checks.first).to_contain_text("✓ sent")
    expect(checks.first).to_contain_text(re.compile("BDN received every line|BDN counted"))


def test_the_keyboard_alone_reaches_the_open_items(analyst: Watched, address: str) -> None:
    page = analyst.page
    page.goto(address)
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.locator("nav a:focus")).to_have_text("Open items")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Who has to be called first")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_section_is_accessible_and_fits_the_screen(
    browser: Browser, address: str, look: str
) -> None:
    one = watched(browser, address, **LOOKS[look] | {"bypass_csp": True})
    violations: list[str] = []
    for section in (*SECTIONS, f"day/{DAYS[2]}", "profile/1"):
        one.page.goto(f"{address}#{section}")
        expect(one.page.locator("main section:visible h1")).to_be_visible()
        found = Axe().run(one.page).response["violations"]
        violations += [f"{section}: {violation['id']}" for violation in found]
        wider = one.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        violations += [f"{section}: {wider} pixels too wide"] if wider > 0 else []
    one.page.context.close()
    assert violations == []


def test_it_prints(analyst: Watched, address: str) -> None:
    analyst.page.goto(address)
    assert analyst.page.pdf().startswith(b"%PDF")
