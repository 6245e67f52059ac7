"""What the analysts' page costs: to write it, and to filter it in a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlalchemy import text

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.context import Context
from vye_pipeline.ledger.connection import keep_statistics
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.page.facts import DAYS_SHOWN, ITEMS_SHOWN
from vye_pipeline.reporting.page.publish import NAME
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.bench.processes import in_a_process, seconds
from vye_pipeline_tests.integration.years import put_days

RECORDS = 100  # of a file
PROFILES = 6_007  # who verify about once a month; prime to one in 15
TIMES = 5
FILTERED = """async (times) => {
  const form = document.getElementById("filters");
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const taken = [];
  for (let time = 0; time < times; time += 1) {
    const began = performance.now();
    form.elements.text.value = time % 2 ? "" : "verifications";
    form.dispatchEvent(new Event("input"));
    await drawn();
    taken.push(performance.now() - began);
  }
  return taken.sort((one, other) => one - other)[Math.floor(times / 2)];
}"""


def measure(records: int = RECORDS, times: int = TIMES) -> dict[str, float]:
    """Writes the page of as many days and open items as it shows, and filters its list.

    Args:
        records: of a file.
        times: how often each; the median counts.

    Returns:
        `seconds` of `vye report` as a whole process, `megabytes` of the page, `milliseconds` from
        a filter's input to the list as drawn, medians; `days` and `open items`.
    """
    with tempfile.TemporaryDirectory() as folder:
        today = datetime.now(UTC).date()
        first = FEDERAL_CALENDAR.business_days_after(today, -DAYS_SHOWN)
        settings = load_settings(local_dir=Path(folder), start_date=first)
        items = in_a_process(_fill, settings, records)
        surroundings = os.environ | {"VYE_LOCAL_DIR": folder, "VYE_START_DATE": str(first)}
        command = [sys.executable, "-m", "vye_pipeline", "report"]

        def report() -> None:
            subprocess.run(command, check=True, env=surroundings, stdout=subprocess.DEVNULL)

        (taken,) = seconds(report, times=times)
        page = Path(folder) / NAME
        return {
            "days": DAYS_SHOWN,
            "open items": items,
            "seconds": taken,
            "megabytes": page.stat().st_size / 1_000_000,
            "milliseconds": in_a_process(_milliseconds, page, 2 * times + 1),
        }


def _fill(settings: Settings, records: int) -> int:
    """Puts the days into the ledger, and returns how many of their records are open."""
    today = datetime.now(UTC).date()
    one_in = max(records * len(KINDS) * DAYS_SHOWN // ITEMS_SHOWN, 1)  # is rejected
    days = list(FEDERAL_CALENDAR.business_days(settings.start_date, today))[-DAYS_SHOWN:]
    with Context(settings).ledger.engine.begin() as connection:
        put_days(connection, days, records, profiles=PROFILES)
        rejected = "UPDATE reconciliations SET status = 'rejected', reason_code = 'R0' || :code"
        counts = [
            connection.execute(
                text(
                    f"{rejected} WHERE record_id % :one_in = 0 AND record_id / :one_in % 10 = :code"
                ),
                {"code": code, "one_in": one_in},
            ).rowcount
            for code in range(10)
        ]
        keep_statistics(connection)  # as each claim and reconciliation does
    return sum(counts)


def _milliseconds(page: Path, times: int) -> float:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shown = browser.new_page()
        shown.goto(f"{page.as_uri()}#open")
        shown.locator(".tabulator-row").first.wait_for()
        taken = float(shown.evaluate(FILTERED, times))
        browser.close()
    return taken
