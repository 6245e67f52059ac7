"""Looking for BDN's answers after ten years of them, beside objects that are nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import insert

from vye_pipeline.bdn.file_names import acknowledgement_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, NEW_YORK
from vye_pipeline.context import Context
from vye_pipeline.ledger.models import ORPHANED_ACKNOWLEDGEMENTS
from vye_pipeline.records import KINDS
from vye_pipeline.settings import load_settings
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import StoredObject
from vye_pipeline_tests.integration.daemon import Daemon, open_history

pytestmark = pytest.mark.long

YEARS = list(FEDERAL_CALENDAR.business_days(date(2015, 1, 2), date(2024, 12, 31)))
TODAY = YEARS[-1]
STRAYS = 20_000
CURSOR_CHARACTERS = 4_000


class CountingStore(FolderStore):
    """Counts the objects that listings return."""

    listed = 0

    def list(self, prefix: str) -> Sequence[StoredObject]:
        found = super().list(prefix)
        self.listed += len(found)
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A store with all answers of ten years, which the ledger knows, and strays."""
    folder = tmp_path_factory.mktemp("years")
    context = Context(load_settings(local_dir=folder, start_date=YEARS[0], end_date=TODAY))
    keys = [acknowledgement_key(kind, day) for day in YEARS for kind in KINDS]
    root = Path(folder) / "objects"
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"")
    strays = root / "inbound" / "strays"
    strays.mkdir()
    for number in range(STRAYS):
        (strays / str(number)).touch()
    rows = [
        {
            "partition_date": date.fromisoformat(key.split("/")[1]),
            "object_key": key,
            "fingerprint": "",
            "snapshot_name": "",
            "reason": "",
            "seen_at": datetime(2025, 1, 1, tzinfo=NEW_YORK),
        }
        for key in keys
    ]
    with context.ledger.transaction() as connection:
        connection.execute(insert(ORPHANED_ACKNOWLEDGEMENTS), rows)
    return context


def test_each_minute_looks_at_days_that_can_change_only(
    world: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CountingStore(world.settings.folder / "objects")
    monkeypatch.setitem(world.__dict__, "objects", store)
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=NEW_YORK)
    with open_history() as instance:
        daemon = Daemon(world, instance, now)
        assert daemon.sensor("acknowledgements_arrive", now) == []
        first = store.listed
        assert daemon.sensor("acknowledgements_arrive", now) == []
        assert store.listed == 2 * first <= 2 * 3 * 11
        assert len(daemon.cursor("acknowledgements_arrive") or "") < CURSOR_CHARACTERS


def test_what_arrives_for_an_old_day_is_found_by_the_daily_pass(world: Context) -> None:
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 8, tzinfo=NEW_YORK)
    with open_history() as instance:
        daemon = Daemon(world, instance, now)
        reason = daemon.skipped("reconcile_unsettled", now)
        assert reason == "every partition is settled, and no answer is unread"
        late = acknowledgement_key(KINDS[0], YEARS[3], sequence=2)
        world.objects.put(late, b"")
        assert daemon.sensor("acknowledgements_arrive", now) == []
        (request,) = daemon.requested("reconcile_unsettled", now)
        assert isinstance(request, dg.RunRequest)
        assert request.partition_key == str(YEARS[3])


def test_what_bdn_puts_under_a_holidays_date_belongs_to_the_next_partition(world: Context) -> None:
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=NEW_YORK)
    with open_history() as instance:
        daemon = Daemon(world, instance, now)
        assert daemon.sensor("acknowledgements_arrive", now) == []
        world.objects.put("inbound/2024-12-25/something.ack", b"")
        (run,) = daemon.sensor("acknowledgements_arrive", now)
        assert run.dagster_run.tags["dagster/partition"] == "2024-12-26"
