"""One day of one size on one database, timed and verified; a process of its own for its memory."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from pathlib import Path

from cryptography.fernet import Fernet

from vye_pipeline import egress
from vye_pipeline.business_days import cut_off
from vye_pipeline.ledger.reports import DELIVERED, calendar
from vye_pipeline.reconciliation.reconcile import load_acknowledgements, receive, reconcile
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.world import World
from vye_pipeline_tests.bench.stopwatch import Stopwatch, peak_memory
from vye_pipeline_tests.bench.world import DAY, fill
from vye_pipeline_tests.integration.servers import PostgreSQL

FAULTS = Faults(reject=30, drop=30, garble=30, late=30)
NOW = cut_off(DAY).astimezone(UTC) + timedelta(minutes=1)


@dataclass(frozen=True)
class Measured:
    """What a day took (seconds; bytes)."""

    database: str
    users: int
    records: int
    egress_seconds: float
    reconcile_seconds: float
    stages: dict[str, float]
    peak_bytes: int


def measure(database: str, users: int) -> Measured:
    """Runs a day and verifies what came of it before any figure is told.

    Args:
        database: postgresql or sqlite.
        users: how many verify.
    """
    watch, total = Stopwatch(), Stopwatch()
    with _settings(database) as settings:
        world = World(settings)
        fill(world, users)
        assert world.ledger.engine
        with watch.running():
            with total.measured("egress"):
                _egress(world)
            answer_partition(world.objects, DAY, FAULTS, received_at=NOW)
            with total.measured("reconcile"):
                _reconcile(world)
        records = _verified(world, users)
    return Measured(
        database=database,
        users=users,
        records=records,
        egress_seconds=total.seconds["egress"],
        reconcile_seconds=total.seconds["reconcile"],
        stages=dict(watch.seconds),
        peak_bytes=peak_memory(),
    )


def _egress(world: World) -> None:
    for kind in KINDS:
        export = egress.take_export_ready(world, DAY, kind, NOW)
        content = egress.make_upload_file(kind, export)
        egress.keep_upload_file(world, DAY, kind, content)
        egress.deliver(world, DAY, kind, content, NOW)


def _reconcile(world: World) -> None:
    for kind in KINDS:
        receive(world, DAY, kind, NOW)
        reconcile(world, DAY, kind, load_acknowledgements(world, DAY, kind), NOW)


def _verified(world: World, users: int) -> int:
    """Counts the records, each delivered once and with one status."""
    days = world.ledger.read(lambda connection: calendar(connection, [DAY]))
    assert all(day.delivery == DELIVERED for day in days)
    assert days[0].lines == users
    for day, kind in zip(days, KINDS, strict=True):
        assert world.objects.get(day.object_key or "").count(b"\n") == day.lines, kind.name
        assert sum(day.counts.values()) - day.counts["unexpected"] == day.lines
    assert sum(day.counts["rejected"] for day in days) == FAULTS.reject
    return sum(day.lines for day in days)


@contextmanager
def _settings(database: str) -> Iterator[Settings]:
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as server_folder,
    ):
        embedded = load_settings(local_dir=Path(folder), start_date=DAY)
        if database == "sqlite":
            yield embedded
            return
        server = PostgreSQL(Path(server_folder))
        source = server.database()
        yield embedded.model_copy(
            update={
                "database_url": source,
                "database_write_url": source,
                "ledger_url": server.database(),
                "snapshot_key": Fernet.generate_key().decode(),
            }
        )
        server.stop()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
