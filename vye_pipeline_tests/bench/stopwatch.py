"""How long a step spends in which stage, and the most memory it holds there.

The pipeline's functions are timed where they are called. A stage that is done within another (a
digest within a put) counts once: its seconds are its own, and not those of the stage around it.
"""

from __future__ import annotations

import hashlib
import resource
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import get_ident
from time import perf_counter
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

# Stage and the functions that make it, as their callers name them.
FUNCTIONS = {
    "read": ("vye_pipeline.egress.claim.read_candidates",),
    "normalise": ("vye_pipeline.records.checking._normalise",),
    "validate": ("vye_pipeline.records.checking._faults",),
    "claim": ("vye_pipeline.ledger.claims.ClaimsMixin.claim",),
    "read claims": ("vye_pipeline.ledger.claims.ClaimsMixin.claimed",),
    "render": ("vye_pipeline.egress.deliver.render",),
    "snapshot": (
        "vye_pipeline.storage.snapshots.SnapshotStore.put",
        "vye_pipeline.storage.snapshots.SnapshotStore.get",
    ),
    "put": ("vye_pipeline.storage.object_store.ObjectStore.put_once",),
    "parse": ("vye_pipeline.reconciliation.reconcile.parse_acknowledgement",),
    "diff": ("vye_pipeline.reconciliation.reconcile.compare",),
    "write results": ("vye_pipeline.ledger.answers.AnswersMixin.reconcile",),
}
DIGEST = "digest"
THE_REST = "the rest"
STAGES = (
    "read",
    "normalise",
    "validate",
    "claim",
    "read claims",
    "render",
    DIGEST,
    "snapshot",
    "put",
    "parse",
    "diff",
    "write results",
    THE_REST,
)
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
THE_PEAK = "5"  # what clear_refs understands as: forget the most memory that was held so far
KIBIBYTE = 1024


@dataclass(frozen=True)
class Stage:
    """What a stage took of a step: its own seconds, and the most memory held meanwhile in bytes."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Step:
    """What a step took, all of it and by stage; the stages' seconds add up to the step's."""

    seconds: float
    peak_bytes: int
    stages: dict[str, Stage]

    def as_json(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return asdict(self)


class Stopwatch:
    """Adds up what the stages of one step take."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._peaks: defaultdict[str, int] = defaultdict(int)
        self._open: list[str] = []
        self._since = 0.0
        self._thread = get_ident()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Times a step, and its stages where they are called."""
        with ExitStack() as stack:
            for patching in self._patches():
                stack.enter_context(patching)
            with self.within(THE_REST):
                yield

    def step(self) -> Step:
        """Returns what was measured."""
        stages = {
            stage: Stage(self._seconds[stage], self._peaks[stage])
            for stage in STAGES
            if stage in self._seconds
        }
        seconds = sum(stage.seconds for stage in stages.values())
        return Step(seconds, self._peaks[THE_REST], stages)

    @contextmanager
    def within(self, stage: str) -> Iterator[None]:
        """Counts what is done inside to a stage."""
        self._settle()
        self._open.append(stage)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def _settle(self) -> None:
        """Gives the time since the last change to the innermost stage, the peak to all open."""
        if self._open:
            self._seconds[self._open[-1]] += perf_counter() - self._since
            peak = peak_memory()
            for stage in self._open:
                self._peaks[stage] = max(self._peaks[stage], peak)
        forget_peak_memory()
        self._since = perf_counter()

    def _patches(self) -> Iterator[AbstractContextManager[Any]]:
        for stage, names in FUNCTIONS.items():
            for name in names:
                original: Callable[..., Any] = patch(name).get_original()[0]
                yield patch(name, self._timed(stage, original))
        timed = SimpleNamespace(sha256=self._timed(DIGEST, hashlib.sha256))
        for name, module in list(sys.modules.items()):
            if name.startswith("vye_pipeline.") and getattr(module, "hashlib", None) is hashlib:
                yield patch.object(module, "hashlib", timed)

    def _timed(self, stage: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            if not self._open or get_ident() != self._thread:
                return original(*arguments, **options)
            with self.within(stage):
                return original(*arguments, **options)

        return timed


def peak_memory() -> int:
    """Returns the most memory that this process has held since that was forgotten, in bytes."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of the whole life, in bytes


def forget_peak_memory() -> None:
    """Begins anew, where the system can: the most memory held so far is what is held now."""
    if RESET.exists():
        RESET.write_text(THE_PEAK)
