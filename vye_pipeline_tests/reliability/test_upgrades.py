"""A ledger is upgraded while runs are going on: each record is sent once all the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from vye_pipeline.ledger.guards import create_guards, drop_guards
from vye_pipeline.ledger.schema import REVISION, UPGRADE_LOCK
from vye_pipeline.ledger.views import create_views, drop_views
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.earlier_ledgers import engine_of, take_back
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.test_concurrency import interleaved, points_of, run
from vye_pipeline_tests.reliability.trials import all_delivered, finish, outcome
from vye_pipeline_tests.reliability.worlds import Worlds

pytestmark = pytest.mark.long

# Before it a snapshot's name held a digest, which no file of today's has.
FIRST_WITH_FINGERPRINTS = 16
REVISIONS = [f"{number:04}" for number in range(FIRST_WITH_FINGERPRINTS, int(REVISION))]
FIRST, SECOND = DAYS[:2]
NEWER = f"{int(REVISION) + 1:04}"


def second_day(settings: Settings) -> Callable[[], None]:
    """Returns the work of a process: it opens the ledger, looks at it, and runs a day."""

    def work() -> None:
        rehearsal = Rehearsal.open(settings)
        assert all(rehearsal.day(FIRST, kind).delivery == "delivered" for kind in KINDS)
        assert rehearsal.egress(SECOND, now=at(SECOND, minutes=5)) == []

    return work


@pytest.mark.parametrize("revision", REVISIONS)
def test_two_runs_at_once_take_up_the_ledger_of_an_earlier_version(
    worlds: Worlds, tmp_path: Path, rows: list[Row], revision: str
) -> None:
    row = Row(f"two runs at once find a ledger of revision {revision} ({worlds.name})")
    rows.append(row)
    with worlds.copy(tmp_path / "undisturbed") as settings:
        begin(settings)
        rehearsal = Rehearsal.open(settings)
        assert rehearsal.egress(SECOND, now=at(SECOND, minutes=5)) == []
        reference = rehearsal.sent()
        rehearsal.pipeline.ledger.engine.dispose()
    with worlds.copy(tmp_path / "trial") as settings:
        begin(settings)
        take_back(settings, revision)
        interleaved(second_day(settings), second_day(settings), point=1)
        again = Rehearsal.open(settings)
        assert all_delivered(again, (FIRST, SECOND))
        outcome(again, reference, row)
        again.pipeline.ledger.engine.dispose()
    assert (row.lost, row.twice) == (0, 0)


def begin(settings: Settings) -> None:
    """Delivers the first day, and lets VYE activate the second one's clone."""
    rehearsal = Rehearsal.open(settings)
    assert rehearsal.egress(FIRST) == []
    rehearsal.dawn()
    rehearsal.pipeline.ledger.engine.dispose()


def test_a_newer_version_upgrades_the_ledger_while_a_run_goes_on(
    worlds: Worlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row(f"a newer version upgrades the ledger in the middle of a run ({worlds.name})")
    rows.append(row)
    with worlds.copy(tmp_path / "counted") as settings:
        points = points_of(run(settings, FIRST))
    for point in points[:: worlds.concurrent_stride]:
        with worlds.copy(tmp_path / f"trial{point}") as settings:
            interleaved(either_way(settings), partial(upgrade, settings), point)
            go_back(settings)
            finish(settings, worlds.reference, row)


def either_way(settings: Settings) -> Callable[[], None]:
    """Returns the work of a process: a day that may fail, but not in silence."""

    def work() -> None:
        rehearsal = Rehearsal.open(settings)
        errors = rehearsal.egress(FIRST)
        states = [rehearsal.day(FIRST, kind).delivery for kind in KINDS]
        assert states.count("delivered") == len(KINDS) - len(errors)

    return work


def upgrade(settings: Settings) -> None:
    """Does to the ledger what a later version's migration will do: views and guards are new."""
    engine = engine_of(settings)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
        drop_views(connection)
        drop_guards(connection)
        for table in ("files", "claims", "deliveries", "failures"):
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN later INTEGER"))
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{NEWER}'"))
        create_views(connection)
        create_guards(connection)
    engine.dispose()


def go_back(settings: Settings) -> None:
    """Lets this version open the ledger again."""
    engine = engine_of(settings)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{REVISION}'"))
    engine.dispose()
