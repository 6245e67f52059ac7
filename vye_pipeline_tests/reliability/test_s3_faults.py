"""A day whose way to S3 is harmed, at each request in turn, once or for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.errors import Cause
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline.storage import s3_store
from vye_pipeline.storage.object_store import PROBES
from vye_pipeline_tests.integration.faulty_network import (
    Fault,
    FaultyNetwork,
    Plan,
    altered_answer,
    altered_request,
    cut_answer,
    error,
    lose_answer,
    lose_request,
    no_answer,
    page_of_a_proxy,
    reset_in_answer,
    reset_in_request,
)
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.trials import finish
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

DAY = DAYS[0]
Behind = Callable[[str], AbstractContextManager[Settings]]
FOR_GOOD = 10_000
PLACES = ("/outbound/2025-04-01/", f"/{PROBES.rstrip('/')}")  # of a file; of a probe before its put
BOTH, PUT, GET = frozenset({"PUT", "GET"}), frozenset({"PUT"}), frozenset({"GET"})


@dataclass(frozen=True)
class Harm:
    """A kind of fault: what it does to which requests, and whether a second try helps.

    After an answer that the credentials are stale they are read again, and the request is repeated.
    """

    name: str
    fault: Fault
    verbs: frozenset[str] = BOTH
    is_transient: bool = True
    is_stale: bool = False

    @property
    def passes(self) -> bool:
        """Whether the run goes on if it comes once."""
        return self.is_transient or self.is_stale


HARMS = (
    Harm("the request is lost", lose_request),
    Harm("the answer is lost after the object was stored", lose_answer),
    Harm("no answer: the read times out", no_answer),
    Harm("the connection is reset in the middle of the body", reset_in_request),
    Harm("the connection is reset in the middle of the answer", reset_in_answer, GET),
    Harm("the answer is cut short", cut_answer, GET),
    Harm("the body is altered on its way: wrong checksum", altered_request, PUT),
    Harm("the answer is altered on its way", altered_answer, GET),
    Harm("a proxy answers 502 in HTML", page_of_a_proxy),
    Harm("500 InternalError", error("InternalError", 500)),
    Harm("503 SlowDown", error("SlowDown", 503)),
    Harm("503 ServiceUnavailable", error("ServiceUnavailable", 503)),
    Harm("429 too many requests", error("TooManyRequests", 429)),
    Harm("400 RequestTimeout", error("RequestTimeout", 400)),
    Harm("400 BadDigest", error("BadDigest", 400)),
    Harm("409 OperationAborted", error("OperationAborted", 409), PUT),
    Harm("403 AccessDenied", error("AccessDenied", 403), PUT, is_transient=False),
    Harm(
        "403 InvalidAccessKeyId",
        error("InvalidAccessKeyId", 403),
        PUT,
        is_transient=False,
        is_stale=True,
    ),
    Harm("403 SignatureDoesNotMatch", error("SignatureDoesNotMatch", 403), PUT, is_transient=False),
    Harm(
        "403 RequestTimeTooSkewed (clock)",
        error("RequestTimeTooSkewed", 403),
        PUT,
        is_transient=False,
    ),
    Harm("400 ExpiredToken", error("ExpiredToken", 400), PUT, is_transient=False, is_stale=True),
    Harm("400 InvalidToken", error("InvalidToken", 400), PUT, is_transient=False, is_stale=True),
    Harm("404 NoSuchBucket", error("NoSuchBucket", 404), PUT, is_transient=False),
    Harm("400 KMS.DisabledException", error("KMS.DisabledException", 400), PUT, is_transient=False),
)


@pytest.fixture
def behind(sqlite_worlds: SQLiteWorlds, s3_bucket: str, tmp_path: Path) -> Behind:
    """Opens copies of a pipeline whose object store is an empty place in a bucket."""

    @contextmanager
    def opened(trial: str) -> Iterator[Settings]:
        with sqlite_worlds.copy(tmp_path / trial) as settings:
            url = f"s3://{s3_bucket}/{trial}"
            yield settings.model_copy(update={"object_store_url": url})

    return opened


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.name)
def test_a_harmed_day_loses_nothing_and_sends_nothing_twice(
    harm: Harm,
    sqlite_worlds: SQLiteWorlds,
    behind: Behind,
    network: FaultyNetwork,
    rows: list[Row],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_store, "READ_TIMEOUT_SECONDS", 0.2)
    row = Row(f"S3: {harm.name}")
    rows.append(row)
    with behind("counted") as settings:
        assert Rehearsal.open(settings).egress(DAY) == []
    a_kind = sum(request.verb in harm.verbs for request in network.requests) // len(KINDS)
    once = [(first, 1) for first in range(a_kind, 2 * a_kind)]  # each request of the second kind
    for first, count in [*once, (a_kind, FOR_GOOD)]:
        with behind(f"trial{first}-{count}") as settings:
            _harmed_day(harm, settings, network, first, count)
            network.plan = None
            finish(settings, sqlite_worlds.reference, row)
    assert len(set(waits)) == len(waits), "the waits are random"


def _harmed_day(
    harm: Harm, settings: Settings, network: FaultyNetwork, first: int, count: int
) -> None:
    """Runs the day with a fault at the first-th request, and looks at how it failed."""
    rehearsal = Rehearsal.open(settings)
    network.plan = Plan(harm.fault, harm.verbs, first, count)
    failures = rehearsal.egress(DAY)
    if harm.passes and count == 1:
        assert failures == [], "what passes is healed within the run"
    if not harm.passes and count == 1:
        assert len(failures) == 1, "the other kinds are delivered"
        delivered = [rehearsal.day(DAY, kind).delivery == "delivered" for kind in KINDS]
        assert sum(delivered) == len(KINDS) - 1
    if count == FOR_GOOD:
        assert failures, "what stays ends in a failure"
    for failure in failures:
        assert failure.cause is Cause.UPLOAD
        assert failure.is_transient == harm.is_transient
        assert any(place in failure.what for place in PLACES)
        assert failure.next_step


def test_a_store_that_is_away_is_a_failure_that_the_next_run_heals(
    sqlite_worlds: SQLiteWorlds,
    behind: Behind,
    network: FaultyNetwork,
    s3_endpoint: str,
    rows: list[Row],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Row("S3: the connection is refused")
    rows.append(row)
    network.shutdown()
    network.server_close()
    with behind("trial") as settings:
        failures = Rehearsal.open(settings).egress(DAY)
        assert [failure.is_transient for failure in failures] == [True] * len(KINDS)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
        finish(settings, sqlite_worlds.reference, row)


def test_a_key_that_is_taken_is_a_conflict_until_a_person_has_decided(
    sqlite_worlds: SQLiteWorlds,
    behind: Behind,
    network: FaultyNetwork,
    rows: list[Row],
) -> None:
    row = Row("S3: other bytes lie under the key")
    rows.append(row)
    with behind("trial") as settings:
        rehearsal = Rehearsal.open(settings)
        key = outbound_key(VERIFICATIONS, DAY)
        rehearsal.outage.put(key, b"somebody else's\n")
        for _ in range(2):
            (failure,) = rehearsal.egress(DAY)
            assert not failure.is_transient
            assert rehearsal.outage.get(key) == b"somebody else's\n"
        rehearsal.outage.delete(key)
        finish(settings, sqlite_worlds.reference, row)
