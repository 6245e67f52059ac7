"""After the delivery: what was sent is verified, and a file that BDN asks for goes out again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from numpy.random import default_rng
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from vye_pipeline.bdn.acknowledgement import render_acknowledgement
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, outbound_key
from vye_pipeline.egress.redeliver import ObjectState, redeliver, verify
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger.rows import RedeliveryRow
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.records.statuses import Status
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY = DAYS[0]
KEY, AGAIN = (outbound_key(VERIFICATIONS, DAY, revision) for revision in (1, 2))


@pytest.fixture
def delivered(settings: Settings) -> Rehearsal:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    return rehearsal


def again(rehearsal: Rehearsal, reason: str = "BDN lost the file") -> RedeliveryRow:
    return redeliver(
        rehearsal.pipeline,
        DAY,
        VERIFICATIONS,
        requested_by="operator",
        reason=reason,
        now=at(DAY, hours=2),
    )


def answered(rehearsal: Rehearsal, revision: int, faults: Faults) -> bytes:
    """Returns BDN's answer to a revision of the file."""
    given = answer(
        VERIFICATIONS,
        DAY,
        rehearsal.outage.get(KEY),
        received_at=at(DAY, hours=2, minutes=30),
        faults=faults,
        random=default_rng(1),
    )
    name = file_name(VERIFICATIONS, DAY, revision)
    return render_acknowledgement(replace(given.first, file_name=name))


def accept(rehearsal: Rehearsal, revision: int) -> None:
    """Lets BDN accept every line of a revision."""
    key = acknowledgement_key(VERIFICATIONS, DAY, revision=revision)
    rehearsal.outage.put(key, answered(rehearsal, revision, Faults()))


def test_what_was_sent_is_verified_missing_and_altered_told_apart(delivered: Rehearsal) -> None:
    again(delivered)
    assert [one.state for one in verify(delivered.pipeline, DAYS)] == [ObjectState.INTACT] * 4
    delivered.outage.delete(KEY)
    delivered.outage.put(AGAIN, b"other")
    states = {one.sent.object_key: one for one in verify(delivered.pipeline, DAYS)}
    assert states[KEY].state == ObjectState.MISSING
    assert states[AGAIN].state == ObjectState.ALTERED
    assert f"vye redeliver {DAY} --kind verifications" in states[KEY].in_words()
    assert states[AGAIN].sent.fingerprint in states[AGAIN].in_words()


def test_the_same_bytes_go_under_the_next_revision_each_time(delivered: Rehearsal) -> None:
    first, second = again(delivered), again(delivered)
    assert [one.object_key for one in (first, second)] == [AGAIN, AGAIN.replace("r2", "r3")]
    contents = {delivered.outage.get(key) for key in (KEY, AGAIN, second.object_key)}
    assert len(contents) == 1
    assert (first.requested_by, first.reason) == ("operator", "BDN lost the file")


def test_an_interrupted_redelivery_is_finished_in_place_of_another(delivered: Rehearsal) -> None:
    delivered.outage.refused = frozenset({AGAIN})
    with pytest.raises(PipelineError, match="AccessDenied"):
        again(delivered)
    delivered.refuse_nothing()
    finished = again(delivered, reason="the same again")
    assert (finished.revision, finished.reason) == (2, "BDN lost the file")
    assert [one.state for one in verify(delivered.pipeline, DAYS)] == [ObjectState.INTACT] * 4


def test_a_file_that_was_not_delivered_can_not_be_delivered_again(delivered: Rehearsal) -> None:
    with pytest.raises(UsageError, match=f"vye egress {DAYS[1]} --kind verifications"):
        redeliver(
            delivered.pipeline,
            DAYS[1],
            VERIFICATIONS,
            requested_by="operator",
            reason="too early",
            now=at(DAYS[1], hours=2),
        )


def test_the_database_itself_refuses_to_change_a_redelivery(delivered: Rehearsal) -> None:
    again(delivered)
    for change in ("UPDATE redeliveries SET reason = 'none'", "DELETE FROM redeliveries"):
        with pytest.raises(DBAPIError), delivered.pipeline.ledger.engine.begin() as connection:
            connection.execute(text(change))


@pytest.mark.parametrize("revision", [1, 2])
def test_an_acknowledgement_to_either_revision_reconciles(
    delivered: Rehearsal, revision: int
) -> None:
    again(delivered)
    accept(delivered, revision)
    rows = delivered.reconcile(DAY, VERIFICATIONS, at(DAY, hours=3))
    assert set(rows["status"]) <= {Status.ACKNOWLEDGED, Status.QUARANTINED}


def test_an_acknowledgement_to_a_revision_that_was_never_sent_counts_for_nothing(
    delivered: Rehearsal,
) -> None:
    accept(delivered, revision=2)
    rows = delivered.reconcile(DAY, VERIFICATIONS, at(DAY, hours=3))
    assert set(rows["status"]) <= {Status.PENDING, Status.QUARANTINED}


def test_a_refusal_of_one_revision_is_mended_by_the_next(delivered: Rehearsal) -> None:
    answer_partition(delivered.outage, DAY, Faults(refuse=True), received_at=at(DAY, hours=1))
    rows = delivered.reconcile(DAY, VERIFICATIONS, at(DAY, hours=2))
    assert set(rows["status"]) <= {Status.REJECTED, Status.QUARANTINED}
    again(delivered)
    accept(delivered, revision=2)
    rows = delivered.reconcile(DAY, VERIFICATIONS, at(DAY, hours=3))
    assert set(rows["status"]) <= {Status.ACKNOWLEDGED, Status.QUARANTINED}


def test_an_acknowledgement_that_is_put_back_counts_again(delivered: Rehearsal) -> None:
    key = acknowledgement_key(VERIFICATIONS, DAY)
    accepted, refused = (
        answered(delivered, 1, faults) for faults in (Faults(), Faults(refuse=True))
    )
    seen = []
    for hour, content in enumerate((accepted, refused, accepted)):
        delivered.outage.put(key, content)
        rows = delivered.reconcile(DAY, VERIFICATIONS, at(DAY, hours=4 + hour))
        seen.append(set(rows["status"]) - {Status.QUARANTINED})
    assert seen == [{Status.ACKNOWLEDGED}, {Status.REJECTED}, {Status.ACKNOWLEDGED}]
