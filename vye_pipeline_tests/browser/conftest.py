"""A browser, and a page with days that failed, rejections, and closings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import text

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import end_of_day
from vye_pipeline.errors import upload_error
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import affected
from vye_pipeline.reporting.page.publish import NAME, publish
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.settings import load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

NOW = end_of_day(DAYS[-1])
HOSTILE = "<img src=x onerror=alert(1)> =HYPERLINK(1) \u202egnp"
HOSTILE_CODE = "<b>&"
HOSTILE_ROWS = (
    "INSERT INTO reason_codes (code, meaning, suggested_action) VALUES (:code, :words, :words)",
    "UPDATE reconciliations SET reason_code = :code WHERE record_id IN (SELECT record_id FROM"
    " reconciliations WHERE status = 'rejected' AND kind = 'verifications' LIMIT 2)",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """Days of which one fails and BDN rejects, loses and misreads lines; one item is closed."""
    prepared = Rehearsal.prepare(load_settings(local_dir=tmp_path_factory.mktemp("page")))
    for number, day in enumerate(DAYS):
        prepared.dawn()
        failing = {outbound_key(KINDS[1], day)} if number == 2 else set()
        prepared.outage.refused = frozenset(failing)
        prepared.egress(day)
        faults = Faults(reject=3, drop=1, garble=1)
        answer_partition(prepared.outage, day, faults, received_at=at(day, hours=2), seed=number)
        for kind in KINDS:
            prepared.reconcile(day, kind, end_of_day(day))
    ledger = prepared.pipeline.ledger
    with ledger.engine.begin() as connection:
        for statement in HOSTILE_ROWS:
            connection.execute(text(statement), {"words": HOSTILE, "code": HOSTILE_CODE})
    refused = upload_error(f"refused, at {HOSTILE}", is_transient=False, next_step=HOSTILE)
    early = at(DAYS[2], seconds=1)  # the last failure of the day is another one
    ledger.fail(DAYS[2], KINDS[1], refused, step="delivery", run_id=None, failed_at=early)
    first = next(
        one
        for one in ledger.read(lambda connection: affected(connection, DAYS))
        if one.is_open and one.user_profile_id
    )
    closed = Resolution(first.user_profile_id or 0, first.partition_date, None, HOSTILE)
    resolve(ledger, [closed], resolved_by="analyst", now=NOW)
    publish(prepared.pipeline, DAYS, NOW)
    return prepared


@pytest.fixture(scope="session")
def address(rehearsal: Rehearsal) -> str:
    """Where the page is, as a browser opens it from disk."""
    path: Path = rehearsal.pipeline.settings.folder / NAME
    return path.as_uri()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    chromium = shutil.which("chromium")
    assert chromium, "install the system's chromium: make trials does"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@dataclass
class Watched:
    """A page, and whatever it should not have done.

    Attributes:
        page: in the browser.
        faults: console errors, exceptions and requests to anywhere but the file itself.
    """

    page: Page
    faults: list[str] = field(default_factory=list)


def watched(browser: Browser, address: str, **look: Any) -> Watched:
    """Opens a page of its own, with an eye on what it does."""
    context = browser.new_context(**look)
    one = Watched(context.new_page())
    one.page.on("console", lambda said: _note(one, said.type == "error", said.text))
    one.page.on("pageerror", lambda error: _note(one, True, str(error)))
    one.page.on("request", lambda asked: _note(one, not asked.url.startswith(address), asked.url))
    return one


def _note(one: Watched, is_fault: bool, words: str) -> None:
    if is_fault and not words.startswith("blob:"):
        one.faults.append(words)


@pytest.fixture
def analyst(browser: Browser, address: str) -> Iterator[Watched]:
    """What an analyst has on the screen; nothing may have gone wrong by the end."""
    one = watched(browser, address, viewport={"width": 1280, "height": 900})
    yield one
    one.page.context.close()
    assert one.faults == []
