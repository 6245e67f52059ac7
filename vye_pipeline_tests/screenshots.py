"""`make docs`: pictures of the Dagster UI and the analysts' page for docs/.

Shows the sample's ten days before anything is repaired. Needs a Chromium on the PATH.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.request import urlopen

from tenacity import retry, stop_after_delay, wait_fixed

from vye_pipeline.cli.demo import Time, prepare, run_days
from vye_pipeline.orchestration.instance import dagster_home
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.reporting.page.publish import NAME, publish
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.sample import SAMPLE_DAYS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOLDER = CHECKOUT / "docs" / "screenshots"
AFTERNOON = datetime(2025, 4, 14, 17, tzinfo=UTC)
DAY = "2025-04-03"
CALLED, CLOSED = 85, 310  # user profiles that need a person on 4 April
PAGES = {
    "lineage": ("/asset-groups", "1500,620"),
    "failed-day": (f"/assets/verifications/delivery?view=partitions&partition={DAY}", "1500,900"),
    "worklist": ("/assets/manual_reconciliation?view=partitions&partition=2025-04-04", "1500,900"),
    "checks": ("/assets/verifications/reconciliation?view=checks", "1500,900"),
    "automation": ("/automation", "1500,640"),
}

SECTIONS = {
    "page-days": "overview",
    "page-day": f"day/{DAY}",
    "page-open-items": "open",
    "page-grouped": "open?grouped=on",
    "page-rejections": "reasons",
    "page-profile": f"profile/{CALLED}",
    "page-closed": "closed",
}


def main() -> None:
    """Takes all pictures."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(local_dir=Path(folder) / "local", end_date=SAMPLE_DAYS[-1])
        _outage(settings)
        with _webserver(settings) as address:
            for name, (path, size) in PAGES.items():
                _shoot(browser, folder, f"{address}{path}", size, FOLDER / f"{name}.png")
        page = (settings.folder / NAME).as_uri()
        for name, section in SECTIONS.items():
            _shoot(browser, folder, f"{page}#{section}", "1280,1100", FOLDER / f"{name}.png")


def _outage(settings: Settings) -> None:
    """Runs the ten days."""
    pipeline, store = prepare(settings)
    time = Time()
    with Session(settings, pipeline, Clock(lambda: time.now)) as session:
        run_days(session, store, time)
    closed = Resolution(CLOSED, date(2025, 4, 4), None, "BDN entered it by hand")
    resolve(pipeline.ledger, [closed], resolved_by="analyst", now=AFTERNOON)
    publish(pipeline, SAMPLE_DAYS, AFTERNOON)


@contextmanager
def _webserver(settings: Settings) -> Iterator[str]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "VYE_LOCAL_DIR": str(settings.folder),
        "VYE_END_DATE": str(settings.end_date),
    }
    program = Path(sys.executable).with_name("dagster-webserver")
    with subprocess.Popen(
        [program, "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port), "--read-only"],
        cwd=CHECKOUT,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _answers(f"http://127.0.0.1:{port}/server_info")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.5))
def _answers(address: str) -> None:
    with urlopen(address, timeout=5) as answer:  # noqa: S310 - the address is our own
        answer.read()


def _shoot(browser: str, folder: str, address: str, size: str, file: Path) -> None:
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/browser",
            f"--window-size={size}",
            "--virtual-time-budget=20000",
            f"--screenshot={file}",
            address,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
