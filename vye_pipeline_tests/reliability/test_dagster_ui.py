"""The steps of docs/dagster-ui.md, clicked in a browser: from a red day to its cause to green."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import load_settings
from vye_pipeline_tests.browser.conftest import chromium
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.deployment import deployed, eventually

pytestmark = pytest.mark.long

GOOD, RED = DAYS[:2]
NAMES = tuple(kind.name for kind in KINDS)
PATIENCE = 120_000  # milliseconds, on a busy machine


@pytest.fixture
def red(tmp_path: Path) -> Rehearsal:
    """A day that is delivered, and one of which a file failed, for a reason that is gone since."""
    settings = load_settings(local_dir=tmp_path / "local", start_date=GOOD, end_date=RED)
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.refuse(RED, VERIFICATIONS)
    with Session(settings, rehearsal.pipeline) as session:
        for day in (GOOD, RED):
            rehearsal.dawn()
            session.egress(day, NAMES)
            session.reconcile(day, NAMES)
    assert rehearsal.day(RED, VERIFICATIONS).delivery == "failed"
    return rehearsal


def see_why_it_is_red(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/verifications/delivery?view=partitions&partition={RED}")
    failed = page.get_by_text("failed, and did not materialize this asset")
    expect(failed).to_be_visible()
    failed.get_by_role("link").click()
    expect(page.get_by_text(re.compile("records of .* user profiles wait")).first).to_be_visible()
    expect(page.get_by_text("AccessDenied").first).to_be_visible()


def launch_a_backfill_of_what_failed(page: Page, address: str) -> None:
    page.goto(f"{address}/asset-groups")
    page.get_by_role("button", name="Materialize all").click()
    eventually(partial(selects_the_failed_day, page))
    page.get_by_role("button", name="Launch backfill").click()
    expect(page.get_by_text("Created backfill")).to_be_visible()


def selects_the_failed_day(page: Page) -> bool:
    """Clicks, and says whether the dialog knew by then which days have failed."""
    page.get_by_role("button", name="Failed", exact=True).click()
    return page.get_by_text("1 partition", exact=True).is_visible()


def test_from_a_red_day_to_its_cause_to_green(red: Rehearsal) -> None:
    before = red.sent()
    settings = red.pipeline.settings
    with deployed(settings, "daemon", "webserver") as (deployment, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        see_why_it_is_red(page, deployment.address)
        launch_a_backfill_of_what_failed(page, deployment.address)
        eventually(partial(red.pipeline.ledger.receipt, RED, VERIFICATIONS))
        page.goto(f"{deployment.address}/assets/verifications/delivery?view=partitions")
        expect(page.get_by_text("Failed (0)")).to_be_visible()
        expect(page.get_by_text("Materialized (2)")).to_be_visible()
    assert before.items() < red.sent().items()
    assert set(red.sent()) - set(before) == {outbound_key(VERIFICATIONS, RED)}
