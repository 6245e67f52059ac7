"""Holds and releases, killed at every point and set against runs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.egress.hold import hold
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger.models import HELD, LINE
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.test_concurrency import interleaved, points_of
from vye_pipeline_tests.reliability.trials import Points, in_a_fork
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

FIRST, SECOND = DAYS[:2]
TRIALS = 12  # the points of two days are many, and those of a run are tried by themselves


def decide(rehearsal: Rehearsal, profile: int, now: datetime, *, is_held: bool) -> None:
    """Decides; what was decided before the process died stays so."""
    with suppress(UsageError):
        hold(
            rehearsal.pipeline,
            profile,
            KINDS,
            is_held=is_held,
            reason="in doubt" if is_held else "confirmed",
            decided_by="operator",
            now=now,
        )


def somebody(rehearsal: Rehearsal) -> int:
    """Returns a user profile with a verification on the first day, and none on the second."""
    with rehearsal.pipeline.vye.engine().connect() as connection:
        first, second = (
            set(
                connection.scalars(
                    text(
                        "SELECT user_profile_id FROM vye_user_infos WHERE bdn_clone_id = :clone"
                        " AND id IN (SELECT user_info_id FROM vye_verifications)"
                    ),
                    {"clone": clone},
                )
            )
            for clone in (1, 2)
        )
    return int(min(first - second))


def days(rehearsal: Rehearsal) -> None:
    """Holds back, sends a day, releases, sends the next; begun again, it goes on."""
    profile = somebody(rehearsal)
    is_released = not all(
        rehearsal.pipeline.ledger.hold_rows(kind)["is_held"].all() for kind in KINDS
    )
    if not is_released:
        decide(rehearsal, profile, at(FIRST), is_held=True)
    assert rehearsal.egress(FIRST) == []
    with rehearsal.pipeline.vye.engine().connect() as connection:
        active = connection.scalar(text("SELECT id FROM vye_bdn_clones WHERE is_active"))
    if active == 2:
        rehearsal.dawn()
    decide(rehearsal, profile, at(FIRST, hours=1), is_held=False)
    assert rehearsal.egress(SECOND) == []


def test_a_hold_and_a_release_killed_anywhere_are_finished_by_the_next(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"SIGKILL at twelve points of a hold and release ({worlds.name})")
    rows.append(row)
    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = Rehearsal.open(settings)
        with points.watched():
            days(rehearsal)
        expected = rehearsal.sent()
        assert HELD not in dispositions(rehearsal)
    for fatal in range(0, points.passed, -(-points.passed // TRIALS)):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:
            assert in_a_fork(killed(settings, fatal)) == signal.SIGKILL
            again = Rehearsal.open(settings)
            days(again)
            row.trials += 1
            assert again.sent() == expected
            assert HELD not in dispositions(again)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_decision_killed_at_every_point_holds_once_it_is_repeated(
    worlds: Worlds, tmp_path: Path, rows: list[Row], is_held: bool
) -> None:
    verb = "hold" if is_held else "release"
    row = Row(f"SIGKILL at every point of a {verb} ({worlds.name})")
    rows.append(row)
    day = FIRST if is_held else SECOND

    def prepared(settings: Settings) -> Rehearsal:
        rehearsal = Rehearsal.open(settings)
        if not is_held:
            decide(rehearsal, somebody(rehearsal), at(FIRST), is_held=True)
            assert rehearsal.egress(FIRST) == []
            rehearsal.dawn()
        return rehearsal

    def decides(rehearsal: Rehearsal) -> None:
        decide(rehearsal, somebody(rehearsal), at(FIRST, hours=1), is_held=is_held)

    points = Points()
    with worlds.copy(tmp_path / "counted") as settings:
        rehearsal = prepared(settings)
        with points.watched():
            decides(rehearsal)
        assert rehearsal.egress(day) == []
        expected = rehearsal.sent()
        assert (HELD in dispositions(rehearsal)) is is_held
    for fatal in range(points.passed):
        with worlds.copy(tmp_path / f"trial{fatal}") as settings:
            prepared(settings).pipeline.ledger.engine.dispose()
            assert in_a_fork(killed(settings, fatal, decides)) == signal.SIGKILL
            again = Rehearsal.open(settings)
            decides(again)
            row.trials += 1
            assert again.egress(day) == []
            assert again.sent() == expected
            assert (HELD in dispositions(again)) is is_held


def killed(
    settings: Settings, fatal: int, work: Callable[[Rehearsal], None] = days
) -> Callable[[], None]:
    """Returns the work of a process that dies at a point."""

    def run() -> None:
        rehearsal = Rehearsal.open(settings)
        with Points(fatal).watched():
            work(rehearsal)

    return run


def dispositions(rehearsal: Rehearsal) -> set[str]:
    """Returns what has become of the records of the profile."""
    profile = somebody(rehearsal)
    found: set[str] = set()
    for day in (FIRST, SECOND):
        claims = rehearsal.pipeline.ledger.claimed(day, VERIFICATIONS)[1]
        found |= set(claims.loc[claims["user_profile_id"] == profile, "disposition"])
    return found


@pytest.mark.parametrize("is_hold_first", [True, False])
def test_a_hold_during_a_run_is_in_time_or_too_late_and_never_both(
    worlds: Worlds, tmp_path: Path, rows: list[Row], is_hold_first: bool
) -> None:
    row = Row(f"a hold and a run at once, {'' if is_hold_first else 'un'}begun ({worlds.name})")
    rows.append(row)

    def holding(settings: Settings) -> Callable[[], None]:
        def work() -> None:
            rehearsal = Rehearsal.open(settings)
            decide(rehearsal, somebody(rehearsal), at(FIRST), is_held=True)

        return work

    def running(settings: Settings) -> Callable[[], None]:
        return lambda: _no_failure(Rehearsal.open(settings).egress(FIRST))

    first, second = (holding, running) if is_hold_first else (running, holding)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(first(settings))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            interleaved(first(settings), second(settings), point)
            rehearsal = Rehearsal.open(settings)
            _no_failure(rehearsal.egress(FIRST))
            claims = rehearsal.pipeline.ledger.claimed(FIRST, VERIFICATIONS)[1]
            sent = rehearsal.sent()[outbound_key(VERIFICATIONS, FIRST)].splitlines()
            mine = claims.loc[claims["user_profile_id"] == somebody(rehearsal), "disposition"]
            row.trials += 1
            assert len(set(mine) & {HELD, LINE}) == 1
            assert len(sent) == int((claims["disposition"] == LINE).sum())


@pytest.mark.parametrize("is_release_first", [True, False])
def test_a_release_during_a_run_lets_the_records_go_once(
    worlds: Worlds, tmp_path: Path, rows: list[Row], is_release_first: bool
) -> None:
    row = Row(
        f"a release and a run at once, {'' if is_release_first else 'un'}begun ({worlds.name})"
    )
    rows.append(row)

    def prepared(settings: Settings) -> Settings:
        rehearsal = Rehearsal.open(settings)
        decide(rehearsal, somebody(rehearsal), at(FIRST), is_held=True)
        _no_failure(rehearsal.egress(FIRST))
        rehearsal.dawn()
        rehearsal.pipeline.ledger.engine.dispose()
        return settings

    def releasing(settings: Settings) -> Callable[[], None]:
        def work() -> None:
            rehearsal = Rehearsal.open(settings)
            decide(rehearsal, somebody(rehearsal), at(FIRST, hours=1), is_held=False)

        return work

    def running(settings: Settings) -> Callable[[], None]:
        return lambda: _no_failure(Rehearsal.open(settings).egress(SECOND))

    first, second = (releasing, running) if is_release_first else (running, releasing)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(first(prepared(settings)))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            prepared(settings)
            interleaved(first(settings), second(settings), point)
            rehearsal = Rehearsal.open(settings)
            _no_failure(rehearsal.egress(SECOND))
            row.trials += 1
            assert len(dispositions(rehearsal) & {HELD, LINE}) == 1
            for day in (FIRST, SECOND):
                claims = rehearsal.pipeline.ledger.claimed(day, VERIFICATIONS)[1]
                sent = rehearsal.sent()[outbound_key(VERIFICATIONS, day)].splitlines()
                assert len(sent) == int((claims["disposition"] == LINE).sum())


def _no_failure(failures: list[PipelineError]) -> None:
    assert failures == []
