"""Every try of a put is on record: since when BDN can have had a file is known."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import PipelineError, upload_error
from vye_pipeline.ledger.models import TRIES
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY, KEY = DAYS[0], outbound_key(VERIFICATIONS, DAYS[0])
FIRST, SECOND, THIRD = (at(DAY, minutes=minutes) for minutes in (1, 30, 90))


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    return prepared


def tries(rehearsal: Rehearsal) -> list[tuple[Any, ...]]:
    """Returns revision, begun_at, outcome of each try, and whether it has ended."""
    columns = (TRIES.c.revision, TRIES.c.begun_at, TRIES.c.outcome, TRIES.c.ended_at)
    rows = rehearsal.pipeline.ledger.read(
        lambda connection: connection.execute(select(*columns).order_by(TRIES.c.id)).all()
    )
    return [(*row[:3], row[3] is not None) for row in rows]


def test_a_refused_put_is_no_try_that_bdn_can_have_seen(rehearsal: Rehearsal) -> None:
    ledger = rehearsal.pipeline.ledger
    assert ledger.first_try(DAY, VERIFICATIONS) is None
    rehearsal.refuse(DAY, VERIFICATIONS)
    assert rehearsal.egress(DAY, VERIFICATIONS, now=FIRST)
    assert ledger.first_try(DAY, VERIFICATIONS) is None
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAY, VERIFICATIONS, now=SECOND) == []
    assert tries(rehearsal) == [(1, FIRST, "refused", True), (1, SECOND, "succeeded", True)]
    assert ledger.first_try(DAY, VERIFICATIONS) == SECOND


def test_a_key_that_others_have_taken_is_a_refusal(rehearsal: Rehearsal) -> None:
    rehearsal.outage.put_once(KEY, b"somebody else's\n")
    assert rehearsal.egress(DAY, VERIFICATIONS, now=FIRST)
    assert tries(rehearsal) == [(1, FIRST, "refused", True)]


def test_a_put_whose_answer_is_lost_may_have_arrived(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(key: str, content: bytes) -> bool:
        raise upload_error("the answer is lost", is_transient=True, next_step="run it again")

    with monkeypatch.context() as patching:
        patching.setattr(rehearsal.outage, "create", lost)
        assert rehearsal.egress(DAY, VERIFICATIONS, now=FIRST)
    assert rehearsal.egress(DAY, VERIFICATIONS, now=SECOND) == []
    assert tries(rehearsal) == [(1, FIRST, "unknown", True), (1, SECOND, "succeeded", True)]
    assert rehearsal.pipeline.ledger.first_try(DAY, VERIFICATIONS) == FIRST


def test_a_process_that_dies_during_the_put_leaves_its_try(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = rehearsal.outage.create

    def stored_and_interrupted(key: str, content: bytes) -> bool:
        create(key, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patching:
        patching.setattr(rehearsal.outage, "create", stored_and_interrupted)
        with pytest.raises(KeyboardInterrupt):
            rehearsal.egress(DAY, VERIFICATIONS, now=FIRST)
    assert rehearsal.egress(DAY, VERIFICATIONS, now=SECOND) == []
    assert tries(rehearsal)[0] == (1, FIRST, "unknown", False)
    assert rehearsal.pipeline.ledger.first_try(DAY, VERIFICATIONS) == FIRST


def test_other_bytes_that_were_tried_before_are_not_these(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(key: str, content: bytes) -> bool:
        raise upload_error("the answer is lost", is_transient=True, next_step="run it again")

    with monkeypatch.context() as patching:
        patching.setattr(rehearsal.outage, "create", lost)
        assert rehearsal.egress(DAY, VERIFICATIONS, now=FIRST)
    rehearsal.correct("vye_user_infos", "stub_nm", "CHANGED")
    assert rehearsal.egress(DAY, VERIFICATIONS, now=SECOND) == []
    assert rehearsal.pipeline.ledger.first_try(DAY, VERIFICATIONS) == SECOND


def test_each_revision_has_its_own_tries(rehearsal: Rehearsal) -> None:
    assert rehearsal.egress(DAY, VERIFICATIONS, now=FIRST) == []
    ledger, again = rehearsal.pipeline.ledger, outbound_key(VERIFICATIONS, DAY, 2)
    asked = {"requested_by": "operator", "reason": "BDN lost the file"}
    rehearsal.outage.refused = frozenset({again})
    with pytest.raises(PipelineError, match="AccessDenied"):
        redeliver(rehearsal.pipeline, DAY, VERIFICATIONS, **asked, now=SECOND)
    assert ledger.first_try(DAY, VERIFICATIONS, revision=2) is None
    rehearsal.refuse_nothing()
    redeliver(rehearsal.pipeline, DAY, VERIFICATIONS, **asked, now=THIRD)
    assert ledger.first_try(DAY, VERIFICATIONS, revision=2) == THIRD
    assert ledger.first_try(DAY, VERIFICATIONS) == FIRST
