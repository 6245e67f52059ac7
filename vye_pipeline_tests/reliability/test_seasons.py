"""Whatever VYE does and whenever, each record is claimed once and delivered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from vye_pipeline.context import Context
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.page import Row
from vye_pipeline_tests.reliability.seasons import SETTINGS, Season, prepare

SHORT = 1
SEASONS = 3


@pytest.mark.parametrize("seed", range(SHORT))
def test_a_season_ends_with_every_record_delivered_once(tmp_path: Path, seed: int) -> None:
    settings = load_settings(local_dir=tmp_path / "local", **SETTINGS)
    prepare(settings)
    outcome = Season(settings, seed).run()
    assert outcome.faults == []
    assert outcome.deliveries > 0
    assert outcome.records > 0


@pytest.mark.long
def test_seasons_on_sqlite(tmp_path: Path, rows: list[Row]) -> None:
    original = load_settings(local_dir=tmp_path / "original", **SETTINGS)
    prepare(original)
    row = Row("random seasons of VYE: activations, late commits, outages, backfills (SQLite)")
    rows.append(row)
    for seed in range(SHORT, SHORT + SEASONS):
        folder = tmp_path / f"season{seed}"
        shutil.copytree(original.folder, folder)
        end_well(original.model_copy(update={"local_dir": folder}), seed, row)
        shutil.rmtree(folder)


@pytest.mark.long
def test_seasons_on_postgresql(tmp_path: Path, postgresql: PostgreSQL, rows: list[Row]) -> None:
    source, ledger = postgresql.database(), postgresql.database()
    key = Fernet.generate_key().decode()
    prepare(on_a_server(tmp_path / "original", source, ledger, key))
    row = Row("random seasons of VYE: activations, late commits, outages, backfills (PostgreSQL)")
    rows.append(row)
    for seed in range(SEASONS):
        copy, its_ledger = postgresql.database(source), postgresql.database(ledger)
        end_well(on_a_server(tmp_path / f"season{seed}", copy, its_ledger, key), seed, row)
        postgresql.drop(copy)
        postgresql.drop(its_ledger)


def on_a_server(folder: Path, source: str, ledger: str, key: str) -> Settings:
    return load_settings(
        local_dir=folder,
        database_url=source,
        database_write_url=source,
        ledger_url=ledger,
        snapshot_key=key,
        **SETTINGS,
    )


def end_well(settings: Settings, seed: int, row: Row) -> None:
    outcome = Season(settings, seed).run()
    row.trials += 1
    row.lost += sum("claimed" in fault or "deleted" in fault for fault in outcome.faults)
    assert outcome.faults == [], f"season {seed}"
    assert Context(settings).ledger.closed_clones()
