"""Settings, URLs, columns and refusals of PostgreSQL, the chief ones on both major versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from vye_pipeline.errors import PipelineError
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.compatibility.page import NOT_TRIED, REFUSED, Row
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.worlds import PostgreSQLWorlds

pytestmark = pytest.mark.long

DAY, KIND = DAYS[0], KINDS[0]
# What the client does is the same with every server: the long lists are tried on one.
on_one_server = pytest.mark.parametrize("server", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[PostgreSQL], PostgreSQLWorlds]:
    """Makes the pipeline of a server whose first day is ready, once."""
    made: dict[str, PostgreSQLWorlds] = {}

    def of(server: PostgreSQL) -> PostgreSQLWorlds:
        name = server.folder.name
        if name not in made:
            made[name] = PostgreSQLWorlds(tmp_path_factory.mktemp(name), server)
        return made[name]

    return of


@dataclass
class Trial:
    """A copy of a pipeline, its server, and what it must send."""

    server: PostgreSQL
    settings: Settings
    reference: dict[str, bytes]
    rows: list[Row]

    def change(self, *statements: str) -> None:
        """Changes VYE's database as its owner."""
        for statement in statements:
            Rehearsal.open(self.settings).change(statement)

    def everywhere(self, change: str) -> None:
        """Changes both databases, `ALTER DATABASE …`."""
        for url in (self.settings.vye_database_url, self.settings.ledger_database_url):
            self.server.administer(f"ALTER DATABASE {make_url(url).database} {change}")

    def works(self, tried: str, *, words: str = "") -> None:
        """The kind goes out as it should, and the page says so."""
        rehearsal = Rehearsal.open(self.settings)
        assert rehearsal.egress(DAY, KIND) == []
        sent = rehearsal.sent()
        assert len(sent) == 1
        assert all(self.reference[key] == content for key, content in sent.items())
        self.rows.append(Row(self.server.version(), tried, words=words))

    def is_refused(self, tried: str, says: str) -> None:
        """The kind is refused in one line, nothing goes out, and the page has the words."""
        rehearsal = Rehearsal.open(self.settings)
        with pytest.raises(PipelineError, match=says) as caught:
            raise (failed_to_open(rehearsal) or rehearsal.egress(DAY, KIND)[0])
        assert rehearsal.sent() == {}
        self.rows.append(Row(self.server.version(), tried, REFUSED, str(caught.value)))


def failed_to_open(rehearsal: Rehearsal) -> PipelineError | None:
    try:
        rehearsal.pipeline.ledger  # noqa: B018 - it is opened when it is first asked for
    except PipelineError as error:
        return error
    return None


@pytest.fixture
def trial(
    server: PostgreSQL,
    prepared: Callable[[PostgreSQL], PostgreSQLWorlds],
    tmp_path: Path,
    rows: list[Row],
    waits: list[float],
) -> Iterator[Trial]:
    """A trial on each of the servers."""
    worlds = prepared(server)
    reference = worlds.reference
    with worlds.copy(tmp_path / "trial") as settings:
        yield Trial(server, settings, reference, rows)


SETTINGS = (
    "DateStyle = 'German, DMY'", "DateStyle = 'SQL, MDY'", "DateStyle = 'Postgres, DMY'",
    "TimeZone = 'Asia/Tokyo'", "IntervalStyle = 'iso_8601'", "client_encoding = 'LATIN1'",
    "bytea_output = 'escape'", "default_transaction_isolation = 'serializable'",
    "quote_all_identifiers = on", "statement_timeout = '60s'", "lock_timeout = '10s'",
    "idle_in_transaction_session_timeout = '30s'", "search_path = public, pg_catalog",
    "extra_float_digits = -15", "synchronous_commit = off", "row_security = on",
)  # fmt: skip


@on_one_server
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_databases_change_nothing(trial: Trial, setting: str) -> None:
    trial.everywhere(f"SET {setting}")
    trial.works(f"both databases: {setting}")


def test_settings_of_the_role_change_nothing(trial: Trial) -> None:
    trial.server.administer("ALTER ROLE postgres SET DateStyle = 'German'")
    try:
        trial.works("the role: DateStyle = 'German'")
    finally:
        trial.server.administer("ALTER ROLE postgres RESET DateStyle")


def several_hosts(url: str) -> str:
    """Returns a URL with a host before its own on which nobody listens."""
    port = str(make_url(url).query["port"])
    if port == "5432":  # a server on a socket alone
        return url.replace("?host=", "?host=/nonexistent&host=").replace("&port=5432", "")
    return f"postgresql://postgres@127.0.0.1:1,127.0.0.1:{port}/{make_url(url).database}"


URLS: dict[str, Callable[[str], str]] = {
    "postgres://": lambda url: url.replace("postgresql://", "postgres://"),
    "postgresql+psycopg2://": lambda url: url.replace("postgresql:", "postgresql+psycopg2:"),
    "connect_timeout, application_name": lambda url: f"{url}&connect_timeout=7&application_name=v",
    "options=-csearch_path=public": lambda url: f"{url}&options=-csearch_path%3Dpublic",
    "several hosts, the first one away": lambda url: several_hosts(url),
    "target_session_attrs=read-write": lambda url: f"{url}&target_session_attrs=read-write",
}


@on_one_server
@pytest.mark.parametrize("spelling", URLS)
def test_urls_as_they_are_written(trial: Trial, spelling: str) -> None:
    written = URLS[spelling]
    source = written(trial.settings.vye_database_url)
    ledger = written(trial.settings.ledger_database_url)
    trial.settings = trial.settings.model_copy(
        update={"database_url": source, "database_write_url": source, "ledger_url": ledger}
    )
    trial.works(f"URL: {spelling}")


TIMES = ("infinity", "-infinity", "0044-03-15 00:00:00 BC", "12025-04-01 00:00:00")
SHAPES: dict[str, tuple[str, ...]] = {
    "timestamps with time zone": tuple(
        f"ALTER TABLE {table} ALTER created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC'"
        for table in (*(kind.table for kind in KINDS), "vye_bdn_clones")
    ),
    "enum, source_ind": (
        "DO $$ BEGIN EXECUTE (SELECT 'CREATE TYPE source AS ENUM (' || "
        "string_agg(DISTINCT quote_literal(source_ind), ', ') || ')' FROM vye_verifications); "
        "END $$",
        "ALTER TABLE vye_verifications ALTER source_ind TYPE source USING source_ind::source",
    ),
    "enum, origin": (
        "CREATE TYPE origin AS ENUM ('frontend', 'cached', 'backend')",
        "ALTER TABLE vye_address_changes ALTER origin TYPE origin USING origin::origin",
    ),
    "domain, stub_nm": (
        "CREATE DOMAIN stub AS text CHECK (length(VALUE) < 20)",
        "ALTER TABLE vye_user_infos ALTER stub_nm TYPE stub",
    ),
    "varchar and smallint columns": (
        "ALTER TABLE vye_user_infos ALTER indicator TYPE varchar(1), ALTER rpo_code TYPE smallint",
    ),
    "integer references": (
        "ALTER TABLE vye_verifications ALTER user_info_id TYPE integer",
        "ALTER TABLE vye_user_infos ALTER user_profile_id TYPE integer",
    ),
    "no foreign keys, as in production": (
        "ALTER TABLE vye_verifications DROP CONSTRAINT vye_verifications_user_info_id_fkey",
        "ALTER TABLE vye_user_infos DROP CONSTRAINT vye_user_infos_user_profile_id_fkey",
    ),
    "columns that nobody reads": ("ALTER TABLE vye_user_infos ADD COLUMN notes jsonb",),
    "a view for a table": (
        "ALTER TABLE mpi_identities RENAME TO identities",
        "CREATE VIEW mpi_identities AS SELECT icn, ssn FROM identities",
    ),
}


@on_one_server
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_as_they_are_declared(trial: Trial, shape: str) -> None:
    trial.change(*SHAPES[shape])
    trial.works(f"columns: {shape}")


def test_a_schema_with_a_quoted_name(trial: Trial) -> None:
    trial.change('ALTER SCHEMA public RENAME TO "Vye Data"')
    name = make_url(trial.settings.vye_database_url).database
    trial.server.administer(f'ALTER DATABASE {name} SET search_path = "Vye Data"')
    trial.works('schema: "Vye Data", by search_path of the database')


@on_one_server
@pytest.mark.parametrize("time", TIMES)
def test_a_time_that_is_none_is_quarantined(trial: Trial, time: str) -> None:
    trial.change(
        f"UPDATE vye_verifications SET created_at = '{time}' WHERE id = (SELECT max(v.id) "
        "FROM vye_verifications v JOIN vye_user_infos i ON i.id = v.user_info_id "
        "WHERE i.bdn_clone_id = 1)",
    )
    rehearsal = Rehearsal.open(trial.settings)
    assert rehearsal.egress(DAY, KIND) == []
    findings = rehearsal.pipeline.ledger.findings(DAY, KIND)
    assert (findings["code"] == "no_time").sum() == 1
    trial.rows.append(Row(trial.server.version(), f"created_at {time}", words="quarantined by id"))


@contextmanager
def hba(server: PostgreSQL, line: str) -> Iterator[None]:
    """Puts a line first in pg_hba.conf meanwhile."""
    path = server.folder / "data" / "pg_hba.conf"
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{line}\n{before}", encoding="utf-8")
    server.administer("SELECT pg_reload_conf()")
    yield
    path.write_text(before, encoding="utf-8")
    server.administer("SELECT pg_reload_conf()")


def role(server: PostgreSQL, name: str, attributes: str) -> None:
    server.administer(f"DROP ROLE IF EXISTS {name}")
    server.administer(f"CREATE ROLE {name} {attributes}")


CONNECTIONS: dict[str, tuple[str, str, str]] = {
    "a wrong password": ("LOGIN PASSWORD 'right'", "local all tried scram-sha-256", "login"),
    "a role without login": ("NOLOGIN", "", "no such role"),
    "a role with no connection left": ("LOGIN CONNECTION LIMIT 0", "", "no connection free"),
    "a role that pg_hba.conf rejects": ("LOGIN", "local all tried reject", "admits no connection"),
}


@on_one_server
@pytest.mark.parametrize("tried", CONNECTIONS)
def test_a_role_that_may_not_connect(trial: Trial, tried: str) -> None:
    attributes, line, says = CONNECTIONS[tried]
    role(trial.server, "tried", attributes)
    url = make_url(trial.settings.vye_database_url).set(username="tried", password="wrong")
    trial.settings = trial.settings.model_copy(
        update={"database_url": url.render_as_string(hide_password=False)}
    )
    with hba(trial.server, line):
        trial.is_refused(tried, says)


ELSEWHERE: dict[str, tuple[Callable[[URL], URL], str]] = {
    "an unknown role": (lambda url: url.set(username="nobody_known"), "no such role"),
    "an unknown database": (lambda url: url.set(database="nowhere"), "no such database"),
}


@on_one_server
@pytest.mark.parametrize("tried", ELSEWHERE)
def test_a_place_that_is_not_there(trial: Trial, tried: str) -> None:
    changed, says = ELSEWHERE[tried]
    url = changed(make_url(trial.settings.vye_database_url))
    trial.settings = trial.settings.model_copy(
        update={"database_url": url.render_as_string(hide_password=False)}
    )
    trial.is_refused(tried, says)


OPTIONS = {
    "an option that there is none": ("&colour=red", "its client doesn't know"),
    "a socket that is not there": ("&host=/nonexistent", "can't be reached"),
    "a host that is not known": ("&host=nowhere.invalid", "is not known|can't be reached"),
    "only a primary will do, and there is none": (
        "&target_session_attrs=standby",
        "target_session_attrs",
    ),
}


@on_one_server
@pytest.mark.parametrize("tried", OPTIONS)
def test_a_url_that_leads_nowhere(trial: Trial, tried: str) -> None:
    option, says = OPTIONS[tried]
    url = trial.settings.vye_database_url
    if option.startswith("&host="):
        url = url.split("?")[0] + "?" + option[1:]
        option = ""
    trial.settings = trial.settings.model_copy(update={"database_url": url + option})
    trial.is_refused(tried, says)


LACKING: dict[str, tuple[tuple[str, ...], str]] = {
    "a table is missing": (
        ("DROP TABLE vye_verifications CASCADE",),
        "a table is missing",
    ),
    "the identities are missing": (("DROP TABLE mpi_identities",), "has no table mpi_identities"),
    "a column is missing": (
        ("ALTER TABLE vye_user_infos DROP COLUMN stub_nm",),
        "a column is missing",
    ),
    "a schema is missing": (("ALTER SCHEMA public RENAME TO elsewhere",), "is missing"),
    "every SSN is missing": (
        ("UPDATE mpi_identities SET ssn = NULL",),
        "ssn is required and is blank",
    ),
    "every stub_nm is missing": (
        ("UPDATE vye_user_infos SET stub_nm = NULL",),
        "stub_nm is required and is blank",
    ),
}


@on_one_server
@pytest.mark.parametrize("tried", LACKING)
def test_what_is_not_there_is_named(trial: Trial, tried: str) -> None:
    statements, says = LACKING[tried]
    trial.change(*statements)
    trial.is_refused(f"VYE's database: {tried}", says)


def as_reader(trial: Trial, *grants: str) -> None:
    """Reads VYE's database as a role with some rights."""
    for statement in ("DROP OWNED BY tried_reader", "DROP ROLE tried_reader"):
        if trial.server.administer("SELECT 1 FROM pg_roles WHERE rolname = 'tried_reader'"):
            trial.change(statement)
    role(trial.server, "tried_reader", "LOGIN")
    trial.change(*grants)
    url = make_url(trial.settings.vye_database_url).set(username="tried_reader")
    trial.settings = trial.settings.model_copy(
        update={"database_url": url.render_as_string(hide_password=False)}
    )


GRANT = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO tried_reader"


def test_row_security_that_would_hide_rows_is_refused(trial: Trial) -> None:
    as_reader(
        trial,
        GRANT,
        "ALTER TABLE vye_verifications ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON vye_verifications USING (id % 2 = 0)",
    )
    trial.is_refused("VYE's database: row security hides rows", "row security would hide rows")


def test_a_reader_without_rights_is_refused(trial: Trial) -> None:
    as_reader(trial, "SELECT 1")
    trial.is_refused("VYE's database: no right to read", "the role may not do this")


def test_a_reader_with_the_rights_to_read_is_enough(trial: Trial) -> None:
    as_reader(trial, GRANT)
    trial.works("VYE's database: SELECT alone")


def test_a_table_that_somebody_holds_is_waited_for_then_named(trial: Trial) -> None:
    trial.everywhere("SET lock_timeout = '100ms'")
    holder = Rehearsal.open(trial.settings).pipeline.vye.engine()
    with holder.connect() as connection:
        connection.execute(text("LOCK TABLE vye_verifications"))
        trial.is_refused("lock_timeout, and a table that is held", "another session holds a lock")
    holder.dispose()


def test_a_statement_that_takes_too_long_is_named(trial: Trial) -> None:
    trial.change(
        "ALTER TABLE mpi_identities RENAME TO identities",
        "CREATE VIEW mpi_identities AS SELECT icn, ssn || left(pg_sleep(1)::text, 0) AS ssn "
        "FROM identities",
    )
    name = make_url(trial.settings.vye_database_url).database
    trial.server.administer(f"ALTER DATABASE {name} SET statement_timeout = '200ms'")
    trial.is_refused("statement_timeout, and a slow read", "cancelled a query that took long")


def test_a_ledger_that_may_only_be_read_is_named(trial: Trial) -> None:
    name = make_url(trial.settings.ledger_database_url).database
    trial.server.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    trial.is_refused("ledger: default_transaction_read_only", "the ledger: is read-only")


def test_a_write_url_on_a_database_to_read_leaves_a_delivered_day_delivered(trial: Trial) -> None:
    role(trial.server, "tried_writer", "LOGIN")
    trial.server.administer("ALTER ROLE tried_writer SET default_transaction_read_only = on")
    trial.change("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO tried_writer")
    url = make_url(trial.settings.vye_database_url).set(username="tried_writer")
    trial.settings = trial.settings.model_copy(
        update={"database_write_url": url.render_as_string(hide_password=False)}
    )
    trial.works("write URL: read-only", words="delivered; the flag is left alone")
    trial.change("DROP OWNED BY tried_writer")


def test_a_ledger_of_a_newer_version_is_named(trial: Trial) -> None:
    with Rehearsal.open(trial.settings).pipeline.ledger.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
    trial.is_refused("ledger: of a newer version of the pipeline", "revision 9000")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_encodings_of_the_database(
    server: PostgreSQL,
    prepared: Callable[[PostgreSQL], PostgreSQLWorlds],
    tmp_path: Path,
    rows: list[Row],
    encoding: str,
) -> None:
    worlds = prepared(server)
    name = f"in_{encoding.lower()}"
    server.administer(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' "
        "LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    url = make_url(worlds.original.vye_database_url).set(database=name).render_as_string()
    folder = tmp_path / "trial"
    settings = worlds.original.model_copy(
        update={
            "local_dir": folder,
            "database_url": url,
            "database_write_url": url,
            "ledger_url": server.database(),
        }
    )
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.change("UPDATE vye_user_infos SET stub_nm = '\u00c9' || substr(stub_nm, 2)")
    rehearsal.dawn()
    assert rehearsal.egress(DAY, KIND) == []
    codes = set(rehearsal.pipeline.ledger.findings(DAY, KIND)["code"])
    assert "accents_removed" in codes
    rows.append(Row(server.version(), f"VYE's database in {encoding}, with accents"))
    shutil.rmtree(folder)


def test_citext_columns(trial: Trial) -> None:
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'citext'"
    if not trial.server.administer(available):
        words = "this build has no citext"
        trial.rows.append(Row(trial.server.version(), "columns: citext", NOT_TRIED, words))
        pytest.xfail(words)
    trial.change("CREATE EXTENSION citext", "ALTER TABLE mpi_identities ALTER icn TYPE citext")
    trial.change("ALTER TABLE vye_verifications ALTER source_ind TYPE citext")
    trial.works("columns: citext")


def test_transaction_timeout(trial: Trial) -> None:
    if not trial.server.administer("SELECT 1 FROM pg_settings WHERE name = 'transaction_timeout'"):
        words = "from PostgreSQL 17 on"
        trial.rows.append(Row(trial.server.version(), "transaction_timeout", NOT_TRIED, words))
        pytest.xfail(words)
    trial.everywhere("SET transaction_timeout = '30s'")
    trial.works("both databases: transaction_timeout = '30s'")
