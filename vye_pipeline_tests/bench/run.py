"""A day of one pipeline: its two steps timed by stage, BDN's answer, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256

from numpy.random import default_rng

from vye_pipeline.bdn.acknowledgement import render_acknowledgement
from vye_pipeline.bdn.file_names import acknowledgement_key, outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress import claim, deliver
from vye_pipeline.reconciliation.reconcile import load_acknowledgements, receive, reconcile
from vye_pipeline.records import ADDRESS_CHANGES, KINDS, VERIFICATIONS, Kind
from vye_pipeline.reporting.calendar import DELIVERED, calendar
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer
from vye_pipeline_tests.bench.pipeline import DAY, ONE_IN, after_cut_off
from vye_pipeline_tests.bench.stopwatch import Step, Stopwatch

EACH = 20
FAULTY = Faults(reject=EACH, drop=EACH, garble=EACH, late=EACH)
REFUSED = Faults(refuse=True)
SEED = 0


def timed_egress(settings: Settings) -> tuple[Step, dict[str, str]]:
    """Takes DAY's files out to BDN.

    Returns:
        What it took; and the SHA-256 of what was rendered, by kind.
    """
    rendered: dict[str, str] = {}

    def carry(pipeline: Context) -> None:
        for kind in KINDS:
            content = egress_of(pipeline, kind, DAY)
            rendered[kind.name] = sha256(content).hexdigest()

    return _timed(carry, settings), rendered


def timed_reconcile(settings: Settings) -> Step:
    """Sets DAY against BDN's acknowledgements."""

    def settle(pipeline: Context) -> None:
        for kind in KINDS:
            reconcile_of(pipeline, kind, DAY)

    return _timed(settle, settings)


def _timed(work: Callable[[Context], None], settings: Settings) -> Step:
    pipeline = opened_world(settings)
    watch = Stopwatch()
    with watch.running():
        work(pipeline)
    return watch.step()


def opened_world(settings: Settings) -> Context:
    """Returns a pipeline that is connected already: a run's time begins after that."""
    pipeline = Context(settings)
    pipeline.ledger.file(DAY, VERIFICATIONS)
    with pipeline.vye_engine.connect():
        pipeline.objects.list("outbound/")
        pipeline.snapshots.exists("nothing")
    return pipeline


def egress_of(pipeline: Context, kind: Kind, day: date) -> bytes:
    """Runs the egress of a kind as the job does, and returns its file."""
    now = after_cut_off(day)
    export = claim.take_export_ready(pipeline, day, kind, now)
    content = deliver.make_upload_file(kind, export)
    deliver.keep_upload_file(pipeline, day, kind, export, content)
    deliver.deliver(pipeline, day, kind, content, now)
    return content


def reconcile_of(pipeline: Context, kind: Kind, day: date) -> None:
    """Reconciles a kind as the job does."""
    now = after_cut_off(day)
    receive(pipeline, day, kind, now)
    reconcile(pipeline, day, kind, load_acknowledgements(pipeline, day, kind), now)


def answer_all(settings: Settings) -> None:
    """Lets BDN answer DAY's files with every kind of fault (see expected_counts)."""
    pipeline, random, now = Context(settings), default_rng(SEED), after_cut_off(DAY)
    for kind in KINDS:
        given = answer(
            kind,
            DAY,
            pipeline.objects.get(outbound_key(kind, DAY)),
            received_at=now,
            faults=REFUSED if kind is ADDRESS_CHANGES else FAULTY,
            random=random,
        )
        pipeline.objects.put(acknowledgement_key(kind, DAY), render_acknowledgement(given.first))
        if given.supplement is not None and kind is VERIFICATIONS:
            supplement = replace(given.supplement, received_at=now)
            key = acknowledgement_key(kind, DAY, 2)
            pipeline.objects.put(key, render_acknowledgement(supplement))


def expected_counts(users: int) -> dict[str, dict[str, int]]:
    """Returns how many records must have which status, by kind.

    BDN rejects, drops, garbles and delays lines of the first two kinds. What it delayed of the
    verifications is there already, so that what it dropped is known to be missing; what it
    delayed of the direct deposits is not, so that what it dropped is still pending with it. The
    third file it refuses.
    """
    some = users // ONE_IN
    faults = {"rejected": EACH, "mismatched": EACH}
    return {
        "verifications": {**faults, "missing": EACH, "acknowledged": users - 3 * EACH},
        "direct_deposit_changes": {
            **faults,
            "pending": 2 * EACH,
            "acknowledged": some - 4 * EACH,
        },
        "address_changes": {"rejected": some},
    }


def verify(settings: Settings, users: int, rendered: dict[str, str]) -> int:
    """Holds what came of DAY to what must have come of it.

    Args:
        settings: of the pipeline.
        users: who verified.
        rendered: the SHA-256 of what the egress has rendered, by kind.

    Returns:
        How many records were sent, each once and with one status.
    """
    pipeline = Context(settings)
    days = pipeline.ledger.read(lambda connection: calendar(connection, [DAY]))
    expected = expected_counts(users)
    for day, kind in zip(days, KINDS, strict=True):
        assert day.delivery == DELIVERED, kind.name
        content = pipeline.objects.get(day.object_key or "")
        assert sha256(content).hexdigest() == rendered[kind.name], kind.name
        assert content.count(b"\n") == day.lines == sum(expected[kind.name].values()), kind.name
        counts = {status: count for status, count in day.counts.items() if count}
        assert counts == expected[kind.name], (kind.name, counts)
    return sum(day.lines for day in days)
