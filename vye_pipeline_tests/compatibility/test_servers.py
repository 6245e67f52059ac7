"""A whole day on each server and behind the pooler is the day that SQLite makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.compatibility.page import Row
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.integration.servers import PgBouncer, PostgreSQL

pytestmark = pytest.mark.long


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What BDN is sent on the first day."""
    embedded = load_settings(local_dir=tmp_path_factory.mktemp("reference") / "local")
    return sent_by(Rehearsal.prepare(embedded))


def sent_by(rehearsal: Rehearsal) -> dict[str, bytes]:
    """Runs the first day and returns what BDN is sent."""
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    assert all(rehearsal.day(DAYS[0], kind).delivery == "delivered" for kind in KINDS)
    return rehearsal.sent()


def world(folder: Path, source: str, ledger: str) -> Settings:
    """Returns the settings of a pipeline on two databases."""
    return load_settings(
        local_dir=folder / "local",
        database_url=source,
        database_write_url=source,
        ledger_url=ledger,
        snapshot_key=Fernet.generate_key().decode(),
    )


def test_a_day_on_each_server(
    server: PostgreSQL, tmp_path: Path, reference: dict[str, bytes], rows: list[Row]
) -> None:
    settings = world(tmp_path, server.database(), server.database())
    assert sent_by(Rehearsal.prepare(settings)) == reference
    rows.append(Row(server.version(), "a whole day"))


def test_a_day_behind_the_pooler(
    pooler: PgBouncer, tmp_path: Path, reference: dict[str, bytes], rows: list[Row]
) -> None:
    settings = world(tmp_path, pooler.database(), pooler.database())
    assert sent_by(Rehearsal.prepare(settings)) == reference
    rows.append(Row(pooler.version, f"a whole day, pool_mode {pooler.mode}"))
