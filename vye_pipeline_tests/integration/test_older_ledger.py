"""A ledger that is older than the store puts nothing, whatever it believes."""

from __future__ import annotations

import shutil

import pytest

from vye_pipeline.bdn.file_names import outbound_key, outbound_place
from vye_pipeline.egress.memory import memories
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

FIRST, SECOND, THIRD, _ = DAYS


def back_up(settings: Settings, *names: str) -> None:
    """Copies databases as they are now."""
    for name in names or ("ledger.db",):
        for part in settings.folder.glob(f"{name}*"):
            shutil.copy(part, settings.folder / f"backup-{part.name}")


def restore(settings: Settings, *names: str) -> Rehearsal:
    """Puts databases back as they were, and opens the pipeline anew."""
    for name in names or ("ledger.db",):
        for part in settings.folder.glob(f"{name}*"):
            part.unlink()
        for part in settings.folder.glob(f"backup-{name}*"):
            shutil.copy(part, settings.folder / part.name.removeprefix("backup-"))
    return Rehearsal.open(settings)


@pytest.fixture
def rehearsal(embedded: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(embedded)
    prepared.dawn()
    assert prepared.egress(FIRST) == []
    prepared.pipeline.ledger.engine.dispose()
    return prepared


def test_a_restored_ledger_puts_nothing_and_names_what_it_does_not_know(
    rehearsal: Rehearsal, embedded: Settings
) -> None:
    back_up(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    sent = rehearsal.sent()
    restored = restore(embedded)
    restored.dawn()
    failures = restored.egress(THIRD)
    assert {failure.cause for failure in failures} == {Cause.LEDGER}
    for kind, failure in zip(KINDS, failures, strict=True):
        assert "the ledger is older than the store" in failure.what
        assert outbound_key(kind, SECOND) in failure.what
        assert failure.next_step == "vye recover"
        assert restored.day(THIRD, kind).cause == "ledger"
        assert restored.day(THIRD, kind).counts["undelivered"]
    assert restored.sent() == sent


def test_a_ledger_that_was_deleted_is_not_made_anew_in_silence(
    rehearsal: Rehearsal, embedded: Settings
) -> None:
    for part in embedded.folder.glob("ledger.db*"):
        part.unlink()
    sent = rehearsal.sent()
    anew = Rehearsal.open(embedded)
    anew.dawn()
    assert {failure.cause for failure in anew.egress(SECOND)} == {Cause.LEDGER}
    assert anew.sent() == sent


def test_what_bdn_has_removed_is_known_from_the_snapshots(
    rehearsal: Rehearsal, embedded: Settings
) -> None:
    back_up(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    for key in rehearsal.sent():
        rehearsal.outage.delete(key)
    restored = restore(embedded)
    restored.dawn()
    (failure,) = restored.egress(THIRD, VERIFICATIONS)
    assert failure.cause is Cause.LEDGER
    assert outbound_key(VERIFICATIONS, SECOND) in failure.what
    with pytest.raises(PipelineError, match="older than the store"):
        redeliver(
            restored.pipeline,
            FIRST,
            VERIFICATIONS,
            requested_by="operator",
            reason="BDN lost the file",
            now=at(THIRD),
        )


def test_a_delivery_leaves_an_announcement_and_a_record(rehearsal: Rehearsal) -> None:
    receipt = rehearsal.pipeline.ledger.receipt(FIRST, VERIFICATIONS)
    assert receipt is not None
    left = memories(rehearsal.pipeline, VERIFICATIONS.name)
    assert [(one.state, one.fingerprint) for one in left] == [
        ("announced", receipt.fingerprint),
        ("delivered", receipt.fingerprint),
    ]
    rehearsal.dawn()
    rehearsal.refuse(SECOND)
    assert rehearsal.egress(SECOND, VERIFICATIONS)
    states = [one.state for one in memories(rehearsal.pipeline, VERIFICATIONS.name, "2025-04-02")]
    assert states == ["announced", "refused"]
    rehearsal.refuse_nothing()
    assert rehearsal.egress(SECOND, VERIFICATIONS) == []
    states = [one.state for one in memories(rehearsal.pipeline, VERIFICATIONS.name, "2025-04-02")]
    assert states == ["announced", "refused", "announced", "delivered"]


def test_only_our_own_names_are_ours() -> None:
    key = outbound_key(VERIFICATIONS, FIRST)
    assert outbound_place(VERIFICATIONS, key) == (FIRST, 1)
    assert outbound_place(VERIFICATIONS, f"{key}.r2") == (FIRST, 2)
    for other in (f"{key}.bak", f"{key}.r1", key.upper(), "outbound/2025-13-01/vawave097"):
        assert outbound_place(VERIFICATIONS, other) is None
