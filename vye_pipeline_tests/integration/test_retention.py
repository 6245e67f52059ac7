"""What is settled and old enough goes, and everything goes on working without it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from vye_pipeline.bdn.file_names import acknowledgement_key, file_name
from vye_pipeline.egress.expire import erase, expire
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.ledger.models import ACTIONS, CLAIMS
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import affected
from vye_pipeline.reporting.timeline import timeline
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

SETTLED, OPEN = DAYS[:2]
YEARS_LATER = at(SETTLED, days=2_000)
KEPT_DAYS = 1_000


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """A world with a settled day, and one of which BDN rejected a line."""
    prepared = Rehearsal.prepare(settings)
    for day, faults in ((SETTLED, Faults()), (OPEN, Faults(reject=1))):
        prepared.dawn()
        assert prepared.egress(day) == []
        answer_partition(prepared.outage, day, faults, received_at=at(day, hours=1))
        for kind in KINDS:
            prepared.reconcile(day, kind, at(day, hours=2))
    ledger = prepared.pipeline.ledger
    ledger.resolve(
        [
            {
                "partition_date": SETTLED,
                "kind": item.kind,
                "user_profile_id": item.user_profile_id,
                "note": "seen to",
                "resolved_by": "officer",
                "resolved_at": at(SETTLED, hours=3),
            }
            for item in ledger.read(lambda connection: affected(connection, [SETTLED]))
        ]
    )
    return prepared


def names(rehearsal: Rehearsal) -> list[str]:
    return rehearsal.pipeline.snapshots.names("")


def expired(rehearsal: Rehearsal) -> list[str]:
    expiry = expire(rehearsal.pipeline, KEPT_DAYS, YEARS_LATER, is_rehearsed=False)
    return [f"{day} {kind}" for day, kind in expiry.files]


def test_what_is_settled_goes_and_what_is_open_or_young_stays(rehearsal: Rehearsal) -> None:
    before = names(rehearsal)
    young = expire(rehearsal.pipeline, 2_001, YEARS_LATER, is_rehearsed=False)
    assert (young.files, young.snapshots) == ([], [])
    rehearsed = expire(rehearsal.pipeline, KEPT_DAYS, YEARS_LATER, is_rehearsed=True)
    assert names(rehearsal) == before
    gone = expired(rehearsal)
    assert {f"{SETTLED} {kind.name}" for kind in KINDS} <= set(gone)
    assert set(before) - set(names(rehearsal)) == set(rehearsed.snapshots)
    open_kinds = {kind.name for kind in KINDS if f"{OPEN} {kind.name}" not in gone}
    assert open_kinds
    for kind in open_kinds:
        left = [name for name in names(rehearsal) if name.startswith(f"{OPEN}/{kind}/")]
        assert left == [name for name in before if name.startswith(f"{OPEN}/{kind}/")]
    assert not any(name.startswith(f"{SETTLED}/") for name in names(rehearsal))
    assert "fingerprints.key" in names(rehearsal)
    assert expired(rehearsal) == []


def test_a_removal_that_was_interrupted_is_finished(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(rehearsal.pipeline.snapshots), "delete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            expired(rehearsal)
    assert expired(rehearsal) == []
    assert not any(name.startswith(f"{SETTLED}/") for name in names(rehearsal))


def test_an_expired_day_says_so_and_is_neither_sent_again_nor_a_defect(
    rehearsal: Rehearsal,
) -> None:
    sent = rehearsal.sent()
    expired(rehearsal)
    for error in rehearsal.egress(SETTLED, VERIFICATIONS, now=YEARS_LATER):
        assert error.cause is not Cause.DEFECT
        assert f"{VERIFICATIONS.name} of {SETTLED} expired on" in error.what
    with pytest.raises(PipelineError, match=r"expired on .*: it was delivered before"):
        redeliver(
            rehearsal.pipeline,
            SETTLED,
            VERIFICATIONS,
            requested_by="operator",
            reason="BDN lost it",
            now=YEARS_LATER,
        )
    assert rehearsal.sent() == sent
    assert rehearsal.day(SETTLED, VERIFICATIONS).delivery == "delivered"
    lines = rehearsal.pipeline.ledger.read(
        lambda connection: timeline(connection, SETTLED, rehearsal.pipeline.settings.calendar)
    )
    assert sum("its content expired" in line for line in lines) == len(KINDS)


def test_late_answers_are_matched_by_their_numbers(rehearsal: Rehearsal) -> None:
    expired(rehearsal)
    before = rehearsal.day(SETTLED, VERIFICATIONS).counts
    rehearsal.reconcile(SETTLED, VERIFICATIONS, YEARS_LATER)
    assert rehearsal.day(SETTLED, VERIFICATIONS).counts == before
    lines = rehearsal.day(SETTLED, VERIFICATIONS).lines
    name = file_name(VERIFICATIONS, SETTLED)
    header = f"H{name:<24}20250403010000{lines:09d}R    \n"
    late = f"{header}D000000001RR014{'':<80}\nT{lines - 1:09d}{1:09d}\n"
    rehearsal.outage.put(acknowledgement_key(VERIFICATIONS, SETTLED, 2), late.encode())
    rehearsal.reconcile(SETTLED, VERIFICATIONS, YEARS_LATER + timedelta(days=1))
    after = rehearsal.day(SETTLED, VERIFICATIONS).counts
    assert after["conflicting"] == 1
    assert after["acknowledged"] == before["acknowledged"] - 1


def test_a_veterans_data_are_found_by_id_and_erased_with_a_record_of_it(
    rehearsal: Rehearsal,
) -> None:
    ledger = rehearsal.pipeline.ledger
    of_settled = select(CLAIMS.c.user_profile_id).where(CLAIMS.c.partition_date == SETTLED)
    profile = ledger.read(lambda connection: connection.scalars(of_settled).first())
    assert profile
    ask = partial(
        erase, rehearsal.pipeline, profile, requested_by="officer", reason="7", now=YEARS_LATER
    )
    found = ask(is_rehearsed=True)
    assert any(day == SETTLED for day, _ in found.files)
    assert set(found.snapshots) <= set(names(rehearsal))
    assert ask(is_rehearsed=False) == found
    assert not set(found.snapshots) & set(names(rehearsal))
    rows = ledger.read(lambda connection: connection.execute(select(ACTIONS)).mappings().all())
    assert [(row["action"], row["actor"], row["reason"]) for row in rows] == [
        ("erase", "officer", f"user profile {profile}, {len(found.files)} files: 7")
    ]
