"""The analysts' page as one HTML file that needs no network: facts, styles and scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vye_pipeline.context import Context
from vye_pipeline.outlets import visible
from vye_pipeline.reporting.page.facts import facts, packed

HERE = Path(__file__).parent
TEMPLATE = "page.html.jinja"
LIBRARIES = ("d3.min.js", "plot.umd.min.js", "tabulator.min.js", "write-excel-file.min.js")
SCRIPTS = ("words.js", "charts.js", "lists.js", "page.js")
VENDOR_CSS = "tabulator_simple.min.css"


def page(
    context: Context, days: Sequence[date], now: datetime, previous: datetime | None = None
) -> str:
    """Returns the analysts' page.

    Args:
        context: the ledger, and the calendar by which waiting is counted.
        days: the partitions until now, oldest first.
        now: when the page is made, with zone.
        previous: when the page before it was made; None if there was none.

    Raises:
        PipelineError: the ledger can't be read.
    """
    business_calendar = context.settings.calendar
    shown = context.ledger.read(
        lambda connection: facts(connection, business_calendar, days, now, previous)
    )
    scripts = [_script(f"vendor/{name}") for name in LIBRARIES] + [_script(one) for one in SCRIPTS]
    return _template().render(
        facts=_seen(packed(shown)),
        css=_text("page.css"),
        vendor_css=_text(f"vendor/{VENDOR_CSS}"),
        scripts=scripts,
        policy=_policy(scripts),
    )


def _policy(scripts: Sequence[str]) -> str:
    """Allows the page its own scripts and styles, and no request to anywhere."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:"


def _script(name: str) -> str:
    """Returns a script without what would end its element or ask for its source map."""
    lines = [line for line in _text(name).splitlines() if not line.startswith("//# sourceMapping")]
    return "\n".join(lines).replace("</script", "<\\/script")


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _seen(value: Any) -> Any:
    """Spells what can't be seen in texts; the template escapes what HTML would take for a tag."""
    if isinstance(value, dict):
        return {name: _seen(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_seen(one) for one in value]
    return visible(value) if type(value) is str else value


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template(TEMPLATE)
