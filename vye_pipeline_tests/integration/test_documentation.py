"""Every command in README and docs is run, in order, and prints what the page says it prints.

`make docs` writes the pages' outputs anew from the same runs.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest

from vye_pipeline.cli import (
    commands,
    handing_over,
    holding,
    looking,
    recovery,
    rehearsing,
    retention,
    running,
    sandbox,
    worklist,
    writing,
)
from vye_pipeline.cli.demo import Time, prepare, run_days
from vye_pipeline.orchestration import runs
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.settings import CHECKOUT, load_settings

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
TESTED_ELSEWHERE = {"sql", "yaml", "json", "python", "sh"}  # test_views.py, test_deployment.py
MAKE = re.compile(r"make (?P<target>[a-z]+)")
NOW = datetime(2025, 4, 14, 17, tzinfo=UTC)
WRITE = "--write-docs"
LOCAL = "data/local"
BDNS_KEY = "age1d8jdw7c7wsl2ftvx3hx27yht678wx26vyl996gfycwjc2mh783pqcvdhsq"
COMMANDS = (
    handing_over, holding, looking, recovery, rehearsing, retention, running, sandbox, worklist,
    writing,
)  # fmt: skip


class Frozen(datetime):
    """The afternoon on which the pages' commands are typed."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


class Terminal(StringIO):
    """What `--contact` asks for."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Command:
    """A command of a page and what it says that is printed."""

    line: str
    output: str


def commands_of(content: str) -> list[Command]:
    """Returns the commands of a console block."""
    parts = re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]
    lines = (part.partition("\n") for part in parts)
    return [Command(line, output) for line, _, output in lines]


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's ten days, before anything is repaired."""
    folder = tmp_path_factory.mktemp("runbook") / "local"
    settings = load_settings(local_dir=folder)
    pipeline, store = prepare(settings)
    time = Time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "open_instance", lambda _: dg.DagsterInstance.ephemeral())
        with runs.Session(settings, pipeline, Clock(lambda: time.now)) as session:
            run_days(session, store, time)
    (folder / "bdn.pub").write_text(f"{BDNS_KEY}\n", encoding="utf-8")
    return folder


def printed(line: str, folder: Path) -> str:
    """Runs a command on what lies in a folder and returns what it prints, errors too."""
    words = shlex.split(line.replace(LOCAL, str(folder)))
    if words[0] == "python":
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, check=True)
        return re.sub(r"\S{43}=", "…", done.stdout.decode())
    assert words[0] == "vye", line
    out = Terminal() if "--contact" in words else StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        commands.run(words[1:])
    return re.sub(r"[ ]+$", "", out.getvalue(), flags=re.MULTILINE)


@pytest.mark.long
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_commands_print_what_the_page_says(
    outage: Path, path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("VYE_LOCAL_DIR", str(outage))
    monkeypatch.setenv("COLUMNS", "80")
    for module in COMMANDS:
        monkeypatch.setattr(module, "actor", lambda: "operator (uid 1000)", raising=False)
        monkeypatch.setattr(module, "datetime", Frozen, raising=False)
    monkeypatch.setattr("vye_pipeline.definitions.Clock", lambda _: Clock(lambda: NOW))
    monkeypatch.setattr("vye_pipeline.ledger.clock.machine_time", lambda: NOW)
    text = path.read_text(encoding="utf-8")
    written = BLOCK.sub(lambda block: _run_again(block, outage), text)
    if request.config.getoption(WRITE):
        path.write_text(written, encoding="utf-8")
    assert written == text or request.config.getoption(WRITE)


def _run_again(block: re.Match[str], folder: Path) -> str:
    if block["language"] != "console":
        return block[0]
    parts = [
        f"$ {command.line}\n{_output(command, folder)}" for command in commands_of(block["content"])
    ]
    return f"```console\n{''.join(parts)}```"


def _output(command: Command, folder: Path) -> str:
    """Returns what a command prints; `make` targets are run by the gate."""
    if MAKE.match(command.line):
        return command.output
    return printed(command.line, folder).replace(str(folder), LOCAL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_block_escapes(path: Path) -> None:
    gate = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
        if block["language"] == "console":
            targets = [MAKE.match(command.line) for command in commands_of(block["content"])]
            assert all(re.search(rf"make .*\b{made['target']}\b", gate) for made in targets if made)
        elif not block["language"]:
            assert not re.search(r"^\$|^(vye|make|python) ", block["content"], re.MULTILINE)
        else:
            assert block["language"] in TESTED_ELSEWHERE


def test_no_output_is_wider_than_a_terminal() -> None:
    for path in PAGES:
        for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
            for command in commands_of(block["content"]):
                lines = command.output.splitlines()
                assert all(len(line) <= 80 for line in lines if not line.startswith("vye: "))


def test_the_pages_links_lead_somewhere() -> None:
    for path in PAGES:
        for link in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), (path.name, link)
