"""Errors and signals in every step, with a record's value in hand: no byte of it is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vye_pipeline.definitions import build_definitions
from vye_pipeline.ledger.ledger import Ledger
from vye_pipeline.orchestration.jobs import EGRESS, RECONCILE
from vye_pipeline.records import KINDS
from vye_pipeline.settings import load_settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

pytestmark = pytest.mark.long

PLANTED = "".join(["JANE", "DOE", "900", "654", "321"])
KIND = KINDS[0].name
# What each step does first; there it fails.
STEPS = {
    (EGRESS, KIND, "export_ready"): "vye_pipeline.egress.claim.take_export_ready",
    (EGRESS, KIND, "upload_file"): "vye_pipeline.egress.export.load_export_ready",
    (EGRESS, KIND, "delivery"): "vye_pipeline.egress.deliver.upload_file_of",
    (RECONCILE, KIND, "acknowledgement"): "vye_pipeline.reconciliation.reconcile.receive",
    (RECONCILE, KIND, "reconciliation"): "vye_pipeline.reconciliation.reconcile.reconcile",
    (RECONCILE, "wave_feed"): "vye_pipeline.reconciliation.feed.take_feed",
    (RECONCILE, "manual_reconciliation"): "vye_pipeline.reporting.worklist.worklist",
}


class Torn(BaseException):
    """Neither an Exception nor an interrupt."""


def an_error() -> None:
    raise ValueError(PLANTED)


def no_exception() -> None:
    raise Torn(PLANTED)


def a_group() -> None:
    raise ExceptionGroup(PLANTED, [KeyError(PLANTED), OSError(PLANTED)])


def an_interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def a_termination() -> None:
    raise dg.DagsterExecutionInterruptedError


def while_handling(strike: Callable[[], None]) -> Callable[..., None]:
    """Returns what strikes while an error with a record's value is being handled."""

    def work(*_: object, **__: object) -> None:
        try:
            raise LookupError(PLANTED)
        except LookupError:
            strike()

    return work


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rehearsal, Path]:
    folder = tmp_path_factory.mktemp("leaks")
    rehearsal = Rehearsal.prepare(load_settings(local_dir=folder / "local", start_date=DAYS[0]))
    assert rehearsal.pipeline.ledger
    return rehearsal, folder


@pytest.mark.parametrize("strike", [an_error, no_exception, a_group, an_interrupt, a_termination])
@pytest.mark.parametrize("is_recordable", [True, False])
def test_no_step_keeps_what_it_had_in_hand(
    world: tuple[Rehearsal, Path],
    strike: Callable[[], None],
    is_recordable: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rehearsal, folder = world
    definitions = build_definitions(rehearsal.pipeline)
    if not is_recordable:
        monkeypatch.setattr(Ledger, "fail", while_handling(an_error))
    (folder / "dagster").mkdir(exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        steps = STEPS.items() if is_recordable else list(STEPS.items())[:1]
        for (job, *key), target in steps:
            monkeypatch.setattr(target, while_handling(strike))
            run: Any = None
            with suppress(KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
                run = definitions.resolve_job_def(job).execute_in_process(
                    partition_key=DAYS[0].isoformat(),
                    instance=instance,
                    asset_selection=[dg.AssetKey(key)],
                    raise_on_error=False,
                )
            assert run is None or not run.success
        runs = instance.get_runs()
        events = [str(event) for one in runs for event in instance.all_logs(one.run_id)]
    assert len(runs) >= len(steps)
    out, err = capfd.readouterr()
    assert PLANTED not in "".join([out, err, caplog.text, *events])
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "ledger.db" for path in kept)
    assert not [path for path in kept if PLANTED.encode() in path.read_bytes()]
