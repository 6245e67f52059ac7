"""A whole day on each server and behind the pooler is the day that SQLite makes."""

from __future__ import annotations

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dagster import DagsterRunStatus
from sqlalchemy import text
from sqlalchemy.engine import make_url

from vye_pipeline.cli.doctor import examine
from vye_pipeline.errors import Cause, HeldElsewhereError, PipelineError
from vye_pipeline.ledger import lock
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.sql.engines import Database
from vye_pipeline_tests.compatibility.page import REFUSED, Row
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PgBouncer, PostgreSQL, free_port, self_signed

pytestmark = pytest.mark.long
READS = 1000
NOW = datetime(2025, 4, 1, 10, tzinfo=UTC)


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


def test_dagsters_own_storage_behind_the_pooler(
    pooler: PgBouncer,
    tmp_path: Path,
    reference: dict[str, bytes],
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings(local_dir=tmp_path / "local")
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    home = tmp_path / "home"
    home.mkdir()
    url = make_url(pooler.database()).set(drivername="postgresql+psycopg2")
    (home / "dagster.yaml").write_text(
        f"storage:\n  postgres:\n    postgres_url: {url.render_as_string(hide_password=False)}\n"
    )
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    clock = Clock(lambda: at(DAYS[0], minutes=1))
    with Session(settings, rehearsal.pipeline, clock) as session:
        assert session.egress(DAYS[0], [kind.name for kind in KINDS]).problems == []
    with open_instance(settings) as instance:
        assert [run.status for run in instance.get_runs()] == [DagsterRunStatus.SUCCESS]
    assert rehearsal.sent() == reference
    rows.append(Row(pooler.version, f"Dagster's own storage, pool_mode {pooler.mode}"))


def test_a_pooler_takes_no_options(pooler: PgBouncer, rows: list[Row], waits: list[float]) -> None:
    url = f"{pooler.database()}&options=-csearch_path%3Dpublic"
    words = refusal(url, "behind a pooler that refuses `options`")
    rows.append(Row(pooler.version, "URL: options=-csearch_path=public", REFUSED, words))


def test_a_pooler_knows_no_such_user(
    pooler: PgBouncer, rows: list[Row], waits: list[float]
) -> None:
    url = pooler.database().replace("postgres@", "nobody_known@")
    words = refusal(url, "no such role|refuses the login")
    rows.append(Row(pooler.version, "an unknown role", REFUSED, words))


def test_a_lock_holds_behind_the_pooler(
    pooler: PgBouncer, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SILENT_SECONDS", 2)
    monkeypatch.setattr(lock, "BEAT_SECONDS", 600)
    database = Database("the ledger", "VYE_LEDGER_URL", pooler.database(), Cause.DEFECT)
    first, second = database.engine(), database.engine()
    with (
        lock.exclusive(first, "verifications"),
        pytest.raises(HeldElsewhereError),
        lock.exclusive(second, "verifications"),
    ):
        pass
    with lock.exclusive(second, "verifications"):
        pass
    first.dispose()
    second.dispose()
    rows.append(Row(pooler.version, f"the lock of a kind, pool_mode {pooler.mode}"))


def test_many_reads_behind_the_pooler_mix_nothing_up(pooler: PgBouncer, rows: list[Row]) -> None:
    database = Database("the ledger", "VYE_LEDGER_URL", pooler.database(), Cause.DEFECT)
    engine = database.engine(is_read_only=True)

    def read(number: int) -> tuple[int, str]:
        with database.errors(), engine.connect() as connection:
            answer = connection.execute(
                text("SELECT :n, current_setting('TimeZone')"), {"n": number}
            )
            return tuple(answer.one())

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(read, range(READS)))
    assert answers == [(number, "UTC") for number in range(READS)]
    engine.dispose()
    rows.append(Row(pooler.version, f"{READS} reads by eight threads, pool_mode {pooler.mode}"))


TLS: dict[str, tuple[str, str]] = {
    "sslmode=verify-full": ("sslmode=verify-full&sslrootcert={certificate}", ""),
    "sslmode=require": ("sslmode=require", ""),
    "sslmode=disable on this machine": ("sslmode=disable", ""),
    "a certificate of an unknown authority": (
        "sslmode=verify-full&sslrootcert={other}",
        "no TLS connection",
    ),
    "a root certificate that is not there": (
        "sslmode=verify-full&sslrootcert=/nonexistent",
        "no TLS connection",
    ),
}


@pytest.mark.parametrize("tried", TLS)
def test_tls(
    older_postgresql: PostgreSQL, tmp_path: Path, rows: list[Row], waits: list[float], tried: str
) -> None:
    server = older_postgresql
    self_signed(tmp_path / "other.crt")
    query, says = TLS[tried]
    query = query.format(certificate=server.folder / "server.crt", other=tmp_path / "other.crt")
    name = make_url(server.database()).database
    url = f"postgresql://postgres@localhost:{server.port}/{name}?{query}"
    if says:
        rows.append(Row(server.version(), f"TLS: {tried}", REFUSED, refusal(url, says)))
        return
    database = Database("VYE's database", "VYE_DATABASE_URL", url, Cause.SOURCE)
    with database.errors(), database.engine().connect() as connection:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert connection.scalar(text(query)) == ("disable" not in tried)
    rows.append(Row(server.version(), f"TLS: {tried}"))


def refusal(url: str, says: str) -> str:
    """Returns the words with which a database is refused."""
    database = Database("VYE's database", "VYE_DATABASE_URL", url, Cause.SOURCE)
    with (
        pytest.raises(PipelineError, match=says) as caught,
        database.errors(),
        database.engine().connect(),
    ):
        pass
    return str(caught.value)


def test_the_doctor_tells_a_standby(
    older_postgresql: PostgreSQL, tmp_path: Path, rows: list[Row]
) -> None:
    source = older_postgresql.database()
    Rehearsal.prepare(world(tmp_path, source, older_postgresql.database()))
    with tempfile.TemporaryDirectory(prefix="sb", ignore_cleanup_errors=True) as folder:
        standby = older_postgresql.standby(Path(folder), free_port())
        url = make_url(source).update_query_dict(
            {"host": str(standby.folder), "port": str(standby.port)}
        )
        settings = world(tmp_path, url.render_as_string(), source)
        finding = next(one for one in examine(settings, NOW) if one.subject == "VYE's database")
        standby.stop()
    assert "on a standby that is" in finding.words
    words = re.sub("[0-9]+ s", "… s", finding.words)
    rows.append(Row(older_postgresql.version(), "a standby as VYE_DATABASE_URL", words=words))
