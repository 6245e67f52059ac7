"""The pipeline runs with the rights of grants.sql, and these allow no more than it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, Table, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import defect
from vye_pipeline.ledger.guards import INSERT_ONLY
from vye_pipeline.ledger.models import METADATA
from vye_pipeline.records import KINDS
from vye_pipeline.settings import CHECKOUT, Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.test_migrations import insert_row

GRANTS = (CHECKOUT / "docs" / "deployment" / "grants.sql").read_text(encoding="utf-8")
PARTS = [f"-- Part {part}" for part in GRANTS.split("-- Part ")[1:]]
ROLES = re.findall(r"CREATE ROLE (\w+) NOLOGIN", GRANTS)
OWNER = "vye_pipeline_owner"
OTHERS = [role for role in ROLES if role != OWNER]
AUDITED = sorted([*INSERT_ONLY, "deliveries"])
FORGERY = "UPDATE public.{table} SET {column} = NULL"
ATTACKS = (
    FORGERY,
    "DELETE FROM public.{table}",
    "TRUNCATE public.{table} CASCADE",
    "ALTER TABLE public.{table} DISABLE TRIGGER ALL",
    "DROP TRIGGER {trigger} ON public.{table}",
    "DROP TABLE public.{table} CASCADE",
    "CREATE OR REPLACE FUNCTION public.guard_refuse() RETURNS trigger LANGUAGE sql AS ''",
    "SET session_replication_role = replica",
    "SET ROLE vye_pipeline_owner",
    "SET SESSION AUTHORIZATION postgres",
)
REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)


@dataclass
class Granted:
    """A pipeline that was prepared by its owner, and is used by roles with few rights."""

    owner: Rehearsal
    pipeline: Rehearsal
    settings: Settings

    def attempt(self, role: str, statement: str) -> list[tuple[object, ...]]:
        """Runs a statement on the ledger as a member of a role."""
        return attempt(as_login(self.settings.ledger_database_url, role), statement)


def attempt(url: str, statement: str) -> list[tuple[object, ...]]:
    """Runs a statement as the user of a URL."""
    place = make_url(url)
    with psycopg.connect(
        host=str(place.query["host"]), dbname=place.database, user=place.username
    ) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def as_login(url: str, role: str) -> str:
    return make_url(url).set(username=f"{role}_login").render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def granted(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Granted]:
    source, ledger = postgresql.database(), postgresql.database()
    folder = tmp_path_factory.mktemp("granted")
    owner = load_settings(
        local_dir=folder / "local",
        start_date=date(2024, 1, 2),
        database_url=source,
        database_write_url=source,
        ledger_url=as_login(ledger, OWNER),
        snapshot_key=Fernet.generate_key().decode(),
    )
    rehearsal = Rehearsal.prepare(owner)
    for url, part in ((source, PARTS[0]), (ledger, PARTS[1])) * 2:  # each can be run again
        attempt(url, part)
    for role in ROLES:
        postgresql.administer(f"CREATE ROLE {role}_login LOGIN IN ROLE {role}")
    postgresql.administer(f"ALTER ROLE {OWNER}_login SET role = {OWNER}")
    rehearsal.dawn()
    assert rehearsal.pipeline.ledger
    for _ in range(2):
        attempt(as_login(ledger, OWNER), PARTS[2])
    settings = owner.model_copy(
        update={
            "database_url": as_login(source, "vye_pipeline_reader"),
            "database_write_url": as_login(source, "vye_pipeline_flag_writer"),
            "ledger_url": as_login(ledger, "vye_pipeline_ledger"),
        }
    )
    yield Granted(rehearsal, Rehearsal.open(settings), settings)
    postgresql.drop(source)
    postgresql.drop(ledger)
    for role in ROLES:
        postgresql.administer(f"DROP ROLE {role}_login")
        postgresql.administer(f"DROP ROLE {role}")


def test_a_day_runs_with_these_rights_and_nobody_can_do_more(granted: Granted) -> None:
    pipeline, settings = granted.pipeline, granted.settings
    assert pipeline.egress(DAYS[0]) == []
    assert granted.owner.flag(1) is False
    pipeline.look_later()
    assert granted.owner.flag(1) is None
    answer_partition(pipeline.outage, DAYS[0], Faults(reject=1), received_at=at(DAYS[0], hours=1))
    for kind in KINDS:
        assert not pipeline.reconcile(DAYS[0], kind, at(DAYS[0], hours=2)).empty
    assert pipeline.pipeline.ledger.fail(
        DAYS[0], KINDS[0], defect("x", next_step="y"), step="z", run_id=None, failed_at=at(DAYS[0])
    )
    redeliver(
        pipeline.pipeline, DAYS[0], KINDS[0], requested_by="uid 1", reason="x", now=at(DAYS[0])
    )
    granted.attempt("vye_pipeline_analyst", "SELECT * FROM manual_reconciliation_open")
    granted.attempt(
        "vye_pipeline_analyst", "INSERT INTO reason_codes VALUES ('R999', 'a meaning', 'an action')"
    )
    reader, writer = settings.vye_database_url, settings.vye_database_write_url or ""
    for url, statement in (
        (reader, "UPDATE vye_bdn_clones SET export_ready = NULL"),
        (reader, "INSERT INTO mpi_identities VALUES ('1', '2')"),
        (reader, "DELETE FROM vye_verifications"),
        (writer, "UPDATE vye_bdn_clones SET is_active = true"),
        (writer, "DELETE FROM vye_bdn_clones"),
        (writer, "SELECT transact_date FROM vye_bdn_clones"),
        (writer, "SELECT * FROM vye_user_profiles"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attempt(url, statement)
    for role, statement in (
        ("vye_pipeline_analyst", "SELECT * FROM claims"),
        ("vye_pipeline_analyst", "SELECT * FROM contact_lookup_history"),
        ("vye_pipeline_analyst", "DELETE FROM reason_codes"),
        ("vye_pipeline_auditor", "SELECT * FROM claims"),
        ("vye_pipeline_operator", "UPDATE claims SET disposition = 'replaced'"),
        ("vye_pipeline_operator", "INSERT INTO deliveries DEFAULT VALUES"),
        ("vye_pipeline_ledger", "DELETE FROM deliveries"),
        ("vye_pipeline_ledger", "UPDATE deliveries SET line_count = 0"),
        ("vye_pipeline_ledger", "DELETE FROM alembic_version"),
        ("vye_pipeline_ledger", "CREATE TABLE mine (id int)"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            granted.attempt(role, statement)


def test_an_operator_resolves_and_looks_up_under_their_own_name(granted: Granted) -> None:
    settings = granted.settings.model_copy(
        update={
            "ledger_url": as_login(granted.settings.ledger_database_url, "vye_pipeline_operator")
        }
    )
    operator = Rehearsal.open(settings).pipeline
    forged = {"user_profile_id": 1, "reason": "x", "looked_up_at": at(DAYS[0])}
    operator.ledger.record_contact_lookup(
        **forged, looked_up_by="uid 0", database_user="somebody_else"
    )
    operator.ledger.record_action("egress", actor="uid 0", acted_at=at(DAYS[0]))
    for view in ("contact_lookup_history", "action_history"):
        seen = granted.attempt("vye_pipeline_auditor", f"SELECT database_user FROM {view}")
        assert ("vye_pipeline_operator_login",) in seen
        assert ("somebody_else",) not in seen


@pytest.mark.parametrize("table", AUDITED)
@pytest.mark.parametrize("role", OTHERS)
def test_no_role_changes_what_has_been_recorded(granted: Granted, role: str, table: str) -> None:
    column = METADATA.tables[table].columns.keys()[0]
    query = (
        f"SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = '{table}'::regclass"
    )
    trigger = str(granted.attempt(OWNER, query)[0][0])
    before = granted.attempt(OWNER, f"SELECT * FROM {table}")
    for attack in ATTACKS:  # each alone: another statement's refusal would undo what it has done
        with pytest.raises(REFUSALS):
            granted.attempt(role, attack.format(table=table, column=column, trigger=trigger))
    assert granted.attempt(OWNER, f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("role", OTHERS)
def test_no_role_may_write_through_a_view(granted: Granted, role: str) -> None:
    rights = "INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER"
    query = (
        "SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
        f" AND has_table_privilege('{role}_login', oid, '{rights}')"
    )
    assert granted.attempt(OWNER, query) == []


@pytest.mark.parametrize("table", sorted(INSERT_ONLY))
def test_sqlite_refuses_to_change_what_has_been_recorded(embedded: Settings, table: str) -> None:
    assert Rehearsal.open(embedded).pipeline.ledger
    engine = create_engine(embedded.ledger_database_url)  # its foreign keys are off
    with engine.begin() as connection:
        insert_row(connection, Table(table, MetaData(), autoload_with=connection))
    column = METADATA.tables[table].columns.keys()[0]
    for statement in (f"UPDATE {table} SET {column} = '9'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match="takes inserts only"):
            with engine.begin() as connection:
                connection.execute(text(statement))


def test_the_pipeline_reads_vyes_database_in_read_only_transactions(settings: Settings) -> None:
    rehearsal = Rehearsal.prepare(settings)
    statement = text("UPDATE vye_bdn_clones SET export_ready = NULL")
    with rehearsal.pipeline.vye_engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"(?i)read-?only"):
            connection.execute(statement)
