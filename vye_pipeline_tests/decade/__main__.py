"""`make decade`: lets ten years pass, tells what came of them, and writes the page."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from vye_pipeline_tests.decade import page
from vye_pipeline_tests.decade.decade import (
    CLOSURES,
    DAYS,
    FIRST,
    Decade,
    settings_of,
)
from vye_pipeline_tests.reliability.seasons import prepare


@click.command()
@click.option("--days", default=DAYS, show_default=True, help="how many pass")
@click.option("--seed", default=0, show_default=True, help="the same one makes the same decade")
@click.option("--write-page", is_flag=True, help="write docs/decade.md")
def main(days: int, seed: int, *, write_page: bool) -> None:
    """Let ten years of days pass."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(Path(folder) / "local", CLOSURES)
        prepare(settings, FIRST)
        decade = Decade(settings, seed, days)
        outcome = decade.run()
    asked = "" if days == DAYS else f' ASKED="--days {days}"'
    text = page.text(f"make decade{asked}", decade, outcome.faults)
    click.echo(text)
    if write_page:
        page.PAGE.write_text(text, encoding="utf-8")
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
