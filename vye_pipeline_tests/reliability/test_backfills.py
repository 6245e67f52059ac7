"""However failed days are sent after the fix, the end is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, NEW_YORK
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.jobs import EGRESS_STAGES, asset_keys
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.orchestration.schedules import retry_schedule
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import Day, calendar
from vye_pipeline.settings import load_settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.worlds import SQLiteWorlds

pytestmark = pytest.mark.long

NAMES = [kind.name for kind in KINDS]
FAILING = {DAYS[0]: KINDS, DAYS[1]: KINDS[:1]}
NOW = at(DAYS[2], hours=1)
State = tuple[dict[str, bytes], list[Day], list[bool | None]]


def by_command(session: Session) -> None:
    """`vye backfill --failed`."""
    for _, problems in session.backfill(DAYS[:3], only_failed=True):
        assert problems == []


def by_single_runs(session: Session) -> None:
    """An operator runs each partition again, all of it."""
    for day in DAYS[:3]:
        assert session.egress(day, NAMES).problems == []


def as_the_ui_selects(session: Session) -> None:
    """What "only failed and missing partitions" of the UI selects, of each asset."""
    with open_instance(session.pipeline.settings) as instance:
        for day in DAYS[:3]:
            kinds = [
                kind.name
                for kind in KINDS
                if any(
                    _status(instance, key, day) in (AssetPartitionStatus.FAILED, None)
                    for key in asset_keys(EGRESS_STAGES, (kind.name,))
                )
            ]
            assert set(kinds) == {kind.name for kind in FAILING.get(day, ())}
            if kinds:
                assert session.egress(day, kinds).problems == []


def _status(
    instance: dg.DagsterInstance, key: dg.AssetKey, day: date
) -> AssetPartitionStatus | None:
    partitions = business_day_partitions(load_settings())
    statuses = instance.get_status_by_partition(key, [str(day)], partitions)
    return (statuses or {})[str(day)]


def by_the_schedule(session: Session) -> None:
    """What the next morning's schedule asks for."""
    tomorrow = FEDERAL_CALENDAR.business_days_after(DAYS[2], 1)
    morning = datetime.combine(tomorrow, datetime.min.time(), NEW_YORK) + timedelta(hours=5.25)
    schedule = retry_schedule(business_day_partitions(session.pipeline.settings), session.pipeline)
    with open_instance(session.pipeline.settings) as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=morning)
        requests = schedule(context)
    assert isinstance(requests, list)
    for request in requests:
        day = date.fromisoformat(request.partition_key)
        kinds = {key.path[0] for key in request.asset_selection}
        assert session.egress(day, sorted(kinds)).problems == []


WAYS: tuple[Callable[[Session], None], ...] = (
    by_command,
    by_single_runs,
    as_the_ui_selects,
    by_the_schedule,
)


def test_every_way_of_sending_failed_days_ends_in_the_same_state(
    sqlite_worlds: SQLiteWorlds, tmp_path: Path, rows: list[Row]
) -> None:
    row = Row("two failed days are sent after the fix: by command, UI, single runs, schedule")
    rows.append(row)
    states = []
    for way in WAYS:
        with sqlite_worlds.copy(tmp_path / way.__name__) as settings:
            rehearsal = Rehearsal.open(settings)
            with Session(settings, rehearsal.pipeline, Clock(lambda: NOW)) as session:
                fail(rehearsal, session)
                way(session)
            states.append(state(rehearsal))
            row.trials += 1
    row.twice = sum(one[0] != states[0][0] for one in states)
    assert all(one == states[0] for one in states)
    assert {day.delivery for day in states[0][1]} == {"delivered"}
    assert set(states[0][2]) == {None}


def fail(rehearsal: Rehearsal, session: Session) -> None:
    """Three days, two of which fail in part or whole; then the cause is gone."""
    for number, day in enumerate(DAYS[:3]):
        if number:
            rehearsal.dawn()
        refused = [outbound_key(kind, day) for kind in FAILING.get(day, ())]
        rehearsal.outage.refused = frozenset(refused)
        assert len(session.egress(day, NAMES).problems) == len(refused)
    rehearsal.refuse_nothing()


def state(rehearsal: Rehearsal) -> State:
    """Returns what BDN was sent, how the days stand, and the clones' flags.

    Whether the days were reconciled differs from way to way, and each world has fingerprints of its
    own: neither counts.
    """
    days = rehearsal.pipeline.ledger.read(lambda one: calendar(one, DAYS[:3]))
    unreconciled = [
        replace(day, counts={"records": day.export_ready}, fingerprint=None) for day in days
    ]
    rehearsal.look_later()
    return rehearsal.sent(), unreconciled, [rehearsal.flag(clone) for clone in (1, 2, 3)]
