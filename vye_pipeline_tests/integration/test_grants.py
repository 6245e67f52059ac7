"""The pipeline runs with the rights of grants.sql, and these allow no more than it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from vye_pipeline.records import KINDS
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL

GRANTS = (CHECKOUT / "docs" / "deployment" / "grants.sql").read_text(encoding="utf-8")
PARTS = [f"-- Part {part}" for part in GRANTS.split("-- Part ")[1:]]
ROLES = re.findall(r"CREATE ROLE (\w+)", GRANTS)


@dataclass
class Granted:
    """A pipeline that was prepared by its owner, and is used by roles with few rights."""

    owner: Rehearsal
    pipeline: Rehearsal
    settings: Settings

    def attempt(self, url: str, statement: str) -> None:
        """Runs a statement as the role of a URL."""
        place = make_url(url)
        with psycopg.connect(
            host=str(place.query["host"]), dbname=place.database, user=place.username
        ) as connection:
            connection.execute(statement.encode())


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def granted(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Granted]:
    source, ledger = postgresql.database(), postgresql.database()
    folder = tmp_path_factory.mktemp("granted")
    owner = load_settings(
        local_dir=folder / "local",
        database_url=source,
        database_write_url=source,
        ledger_url=ledger,
        snapshot_key=Fernet.generate_key().decode(),
    )
    rehearsal = Rehearsal.prepare(owner)
    rehearsal.dawn()
    run(source, PARTS[0])
    run(ledger, "REVOKE ALL ON SCHEMA public FROM PUBLIC;" + PARTS[1])
    for role in ROLES[:3]:
        postgresql.administer(f"CREATE ROLE {role}_login LOGIN IN ROLE {role}")
    settings = owner.model_copy(
        update={
            "database_url": as_role(source, "vye_pipeline_reader_login"),
            "database_write_url": as_role(source, "vye_pipeline_flag_writer_login"),
            "ledger_url": as_role(ledger, "vye_pipeline_ledger_login"),
        }
    )
    pipeline = Rehearsal.open(settings)
    assert pipeline.pipeline.ledger
    run(ledger, PARTS[2])
    postgresql.administer(f"CREATE ROLE {ROLES[3]}_login LOGIN IN ROLE {ROLES[3]}")
    yield Granted(rehearsal, pipeline, settings)
    postgresql.drop(source)
    postgresql.drop(ledger)
    for role in ROLES:
        postgresql.administer(f"DROP ROLE {role}_login")
        postgresql.administer(f"DROP ROLE {role}")


def run(url: str, script: str) -> None:
    place = make_url(url)
    with psycopg.connect(
        host=str(place.query["host"]), dbname=place.database, user="postgres"
    ) as connection:
        connection.execute(script.encode())


def test_a_day_runs_with_these_rights_and_nobody_can_do_more(granted: Granted) -> None:
    pipeline, settings = granted.pipeline, granted.settings
    assert pipeline.egress(DAYS[0]) == []
    assert granted.owner.flag(1) is None
    answer_partition(pipeline.outage, DAYS[0], Faults(reject=1), received_at=at(DAYS[0], hours=1))
    for kind in KINDS:
        assert not pipeline.reconcile(DAYS[0], kind, at(DAYS[0], hours=2)).empty
    reader, writer = settings.vye_database_url, settings.vye_database_write_url or ""
    analyst = as_role(settings.ledger_database_url, "vye_pipeline_analyst_login")
    granted.attempt(analyst, "SELECT * FROM manual_reconciliation_open")
    granted.attempt(analyst, "INSERT INTO reason_codes VALUES ('R999', 'a meaning', 'an action')")
    for url, statement in (
        (reader, "UPDATE vye_bdn_clones SET export_ready = NULL"),
        (reader, "INSERT INTO mpi_identities VALUES ('1', '2')"),
        (reader, "DELETE FROM vye_verifications"),
        (writer, "UPDATE vye_bdn_clones SET is_active = true"),
        (writer, "DELETE FROM vye_bdn_clones"),
        (writer, "SELECT transact_date FROM vye_bdn_clones"),
        (writer, "SELECT * FROM vye_user_profiles"),
        (analyst, "SELECT * FROM claims"),
        (analyst, "SELECT * FROM contact_lookups"),
        (analyst, "DELETE FROM reason_codes"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            granted.attempt(url, statement)


def test_the_pipeline_reads_vyes_database_in_read_only_transactions(settings: Settings) -> None:
    rehearsal = Rehearsal.prepare(settings)
    statement = text("UPDATE vye_bdn_clones SET export_ready = NULL")
    with rehearsal.pipeline.vye_engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
            connection.execute(statement)
