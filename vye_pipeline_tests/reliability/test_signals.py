"""Real signals to a run's own process, at points all over it: no byte of a record is left behind.

Half of the points lie where an error is being handled, as pandera's report is: what Python hangs
on the next error is what the first one held.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest
from dagster._utils.interrupts import setup_interrupt_handlers

from vye_pipeline.cli.commands import FAILED, INTERRUPTED, run
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.trials import all_delivered, in_a_fork
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

DAY = DAYS[0]
POINTS = 4  # of each sort, spread over the run
MAY_HOLD = ("vye.db", "objects", "snapshots", "tables")  # of the folder
WATCHED = (f"{os.sep}vye_pipeline{os.sep}", f"{os.sep}pandera{os.sep}")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Calls:
    """Counts the calls of a run, and of those the ones where an error is handled; acts at one.

    Attributes:
        act: is called at that one.
        at: its sort and number, None to count only.
        passed: how many calls there have been, by sort.
    """

    act: Callable[[], None]
    at: tuple[str, int] | None = None
    passed: dict[str, int] = field(default_factory=lambda: {"any": 0, "handling": 0})

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Is told of each call by the interpreter."""
        if event != "call" or not any(one in frame.f_code.co_filename for one in WATCHED):
            return
        sorts = ["any"] if sys.exc_info()[1] is None else ["any", "handling"]
        for sort in sorts:
            number, self.passed[sort] = self.passed[sort], self.passed[sort] + 1
            if self.at == (sort, number):
                self.act()


def personal(tables: Path) -> set[bytes]:
    """Returns values that stand out: SSNs, accounts, e-mails, names, streets, ICNs."""
    wanted = {"ssn", "icn", "acct_no", "email", "full_name", "veteran_name", "address1"}
    values: set[str] = set()
    for table in tables.glob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                values |= {row[name] for name in wanted & row.keys()}
    return {value.encode() for value in values if len(value) > len("12345678")}


def egress(settings: Settings, calls: Calls) -> int:
    """Types `vye egress` in a process of its own, which hears signals as Dagster's runs do.

    Returns:
        The command's exit code; what it prints and how many calls there were are in the folder.
    """

    def work() -> None:
        sys.stdout = sys.stderr = (settings.folder / "printed").open("w", encoding="utf-8")
        for shown in (1, 2):
            os.dup2(sys.stdout.fileno(), shown)
        os.environ["VYE_LOCAL_DIR"] = str(settings.folder)
        setup_interrupt_handlers()
        sys.setprofile(calls)
        code = run(["egress", str(DAY)])
        sys.setprofile(None)
        sys.stdout.flush()
        (settings.folder / "calls.json").write_text(json.dumps(calls.passed))
        os._exit(code)

    return -in_a_fork(work)


def points(calls: dict[str, int]) -> Iterator[tuple[str, int]]:
    for sort, count in calls.items():
        assert count > POINTS
        yield from ((sort, number) for number in range(count // POINTS, count, count // POINTS))


def assert_nothing_personal(settings: Settings, values: set[bytes]) -> None:
    places = [path for path in settings.folder.rglob("*") if path.is_file()]
    kept = {
        path: path.read_bytes()
        for path in places
        if not path.relative_to(settings.folder).parts[0].startswith(MAY_HOLD)
    }
    assert "printed" in {path.name for path in kept}
    everything = b"\n".join(kept.values())
    assert [value for value in values if value in everything] == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda one: one.name)
def test_a_signal_anywhere_in_a_run_leaves_nothing_personal(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, number: signal.Signals
) -> None:
    values = personal(sqlite_worlds.original.folder / "tables")
    assert len(values) > 100

    def strike() -> None:
        sys.setprofile(None)
        os.kill(os.getpid(), number)

    with sqlite_worlds.copy(tmp_path / "whole") as settings:
        assert egress(settings, Calls(strike)) == 0
        counted = json.loads((settings.folder / "calls.json").read_text())
        assert "delivered" in (settings.folder / "printed").read_text(encoding="utf-8")
        assert_nothing_personal(settings, values)
    for at in points(counted):
        with sqlite_worlds.copy(tmp_path / "struck") as settings:
            assert egress(settings, Calls(strike, at)) in (FAILED, INTERRUPTED), at
            assert_nothing_personal(settings, values)
            printed = (settings.folder / "printed").read_text(encoding="utf-8")
            assert "interrupted; the same command takes up where it stopped" in printed
            assert egress(settings, Calls(strike)) == 0, at
            assert all_delivered(Rehearsal.open(settings)), at
