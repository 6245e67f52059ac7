"""Hand-overs, killed at every point and set against runs: sent once, whatever the way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vye_pipeline.bdn.file_names import file_name, outbound_key
from vye_pipeline.egress import hand_over
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.models import LINE
from vye_pipeline.ledger.rows import BY_HAND
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.test_concurrency import interleaved, points_of
from vye_pipeline_tests.reliability.trials import Points, in_a_fork
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

DAY = DAYS[0]
SOON, LATER = at(DAY, hours=1), at(DAY, hours=2)


def begin(rehearsal: Rehearsal) -> None:
    """Begins a hand-over; of a file that is delivered it is too late."""
    with suppress(UsageError):
        hand_over.begin(
            rehearsal.pipeline,
            DAY,
            VERIFICATIONS,
            folder(rehearsal),
            recipient=None,
            begun_by="operator",
            now=SOON,
        )


def confirm(rehearsal: Rehearsal) -> None:
    """Confirms it; what was confirmed before the process died stays so."""
    with suppress(UsageError):
        hand_over.confirm(
            rehearsal.pipeline, DAY, VERIFICATIONS, note="taken", done_by="operator", now=LATER
        )


def withdraw(rehearsal: Rehearsal) -> None:
    """Withdraws it."""
    with suppress(UsageError):
        hand_over.withdraw(
            rehearsal.pipeline, DAY, VERIFICATIONS, note="not sent", done_by="operator", now=LATER
        )


def folder(rehearsal: Rehearsal) -> Path:
    return rehearsal.pipeline.settings.folder / "handed-over"


def sent(rehearsal: Rehearsal) -> dict[str, bytes]:
    """Returns what BDN got of the day's verifications, by way."""
    found = {}
    receipt = rehearsal.pipeline.ledger.receipt(DAY, VERIFICATIONS)
    if receipt is not None and receipt.way == BY_HAND:
        found[BY_HAND] = (folder(rehearsal) / file_name(VERIFICATIONS, DAY)).read_bytes()
    if (put := rehearsal.sent().get(outbound_key(VERIFICATIONS, DAY))) is not None:
        found["put"] = put
    return found


def assert_sent_once(rehearsal: Rehearsal, row: Row) -> None:
    """Holds what BDN got to the claims: each line in it once, by one way."""
    claims = rehearsal.pipeline.ledger.claimed(DAY, VERIFICATIONS)[1]
    lines = int((claims["disposition"] == LINE).sum())
    files = sent(rehearsal)
    row.trials += 1
    row.lost += not files
    row.twice += len(files) > 1
    assert len(files) == 1
    (content,) = files.values()
    assert content.count(b"\n") == lines


def test_a_hand_over_killed_anywhere_is_finished_by_the_same_commands(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"SIGKILL at every point of a hand-over ({worlds.name})")
    rows.append(row)

    def steps(rehearsal: Rehearsal) -> None:
        begin(rehearsal)
        confirm(rehearsal)

    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        with points.watched():
            steps(rehearsal)
        expected = sent(rehearsal)
    for fatal in range(points.passed):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:
            assert in_a_fork(killed(settings, steps, fatal)) == signal.SIGKILL
            again = Rehearsal.open(settings)
            steps(again)
            assert again.egress(DAY) == []
            assert_sent_once(again, row)
            assert sent(again) == expected
    assert (row.lost, row.twice) == (0, 0)


def killed(
    settings: Settings, steps: Callable[[Rehearsal], None], fatal: int
) -> Callable[[], None]:
    """Returns the work of a process that dies at a point."""

    def run() -> None:
        rehearsal = Rehearsal.open(settings)
        with Points(fatal).watched():
            steps(rehearsal)

    return run


@pytest.mark.parametrize("is_put_first", [True, False])
def test_a_put_and_a_hand_over_at_once_are_one_delivery(
    worlds: Worlds, tmp_path: Path, rows: list[Row], is_put_first: bool
) -> None:
    row = Row(f"a run and a hand-over at once, {'' if is_put_first else 'un'}begun ({worlds.name})")
    rows.append(row)

    def handing(settings: Settings) -> Callable[[], None]:
        return lambda: begin(Rehearsal.open(settings))

    def running(settings: Settings) -> Callable[[], None]:
        def work() -> None:
            Rehearsal.open(settings).egress(DAY, VERIFICATIONS)  # refused while it is handed over

        return work

    first, second = (running, handing) if is_put_first else (handing, running)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(first(settings))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            interleaved(first(settings), second(settings), point)
            rehearsal = Rehearsal.open(settings)
            confirm(rehearsal)
            assert rehearsal.egress(DAY, VERIFICATIONS) == []
            assert_sent_once(rehearsal, row)
    assert (row.lost, row.twice) == (0, 0)


@pytest.mark.parametrize("decide", [confirm, withdraw])
@pytest.mark.parametrize("is_run_first", [True, False])
def test_a_decision_and_a_run_at_once_are_one_delivery(
    worlds: Worlds,
    tmp_path: Path,
    rows: list[Row],
    decide: Callable[[Rehearsal], None],
    is_run_first: bool,
) -> None:
    begun = "" if is_run_first else "un"
    row = Row(f"a run, {begun}begun, and a hand-over's {decide.__name__} at once ({worlds.name})")
    rows.append(row)

    def prepared(settings: Settings) -> Settings:
        rehearsal = Rehearsal.open(settings)
        begin(rehearsal)
        rehearsal.pipeline.ledger.engine.dispose()
        return settings

    def deciding(settings: Settings) -> Callable[[], None]:
        return lambda: decide(Rehearsal.open(settings))

    def running(settings: Settings) -> Callable[[], None]:
        def work() -> None:
            Rehearsal.open(settings).egress(DAY, VERIFICATIONS)  # refused while it is undecided

        return work

    first, second = (running, deciding) if is_run_first else (deciding, running)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(first(prepared(settings)))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            interleaved(first(prepared(settings)), second(settings), point)
            rehearsal = Rehearsal.open(settings)
            assert rehearsal.egress(DAY, VERIFICATIONS) == []
            assert_sent_once(rehearsal, row)
    assert (row.lost, row.twice) == (0, 0)
