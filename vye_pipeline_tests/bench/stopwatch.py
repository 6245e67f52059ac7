"""How long a run spends in which stage: functions of the pipeline, timed where they are called."""

from __future__ import annotations

import resource
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any
from unittest.mock import patch

# Stage and the functions that make it, as their callers name them.
STAGES = {
    "read": ("vye_pipeline.egress.read_candidates",),
    "normalise, validate": ("vye_pipeline.egress.check",),
    "claim": ("vye_pipeline.ledger.claiming.ClaimingVerbs.claim",),
    "render": ("vye_pipeline.egress.render",),
    "snapshot": (
        "vye_pipeline.snapshots.SnapshotStore.put",
        "vye_pipeline.snapshots.SnapshotStore.get",
    ),
    "put": ("vye_pipeline.bdn.object_store.ObjectStore.put_once",),
    "receipt": ("vye_pipeline.ledger.delivering.DeliveringVerbs.deliver",),
    "parse": ("vye_pipeline.reconciliation.reconcile.parse_acknowledgement",),
    "diff": ("vye_pipeline.reconciliation.reconcile.compare",),
    "write results": ("vye_pipeline.ledger.answering.AnsweringVerbs.reconcile",),
}


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Times the stages meanwhile."""
        with ExitStack() as stack:
            for stage, names in STAGES.items():
                for name in names:
                    stack.enter_context(self._timed(stage, name))
            yield

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Times what is done inside."""
        began = perf_counter()
        yield
        self.seconds[stage] += perf_counter() - began

    def _timed(self, stage: str, name: str) -> Any:
        target, _, attribute = name.rpartition(".")
        patching = patch(name, autospec=False)
        original: Callable[..., Any] = patching.get_original()[0]

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.measured(stage):
                return original(*arguments, **options)

        return patch(f"{target}.{attribute}", timed)


def peak_memory() -> int:
    """Returns the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
