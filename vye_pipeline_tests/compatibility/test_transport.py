"""PostgreSQL on another machine: verified TLS and SCRAM or nothing, in words that help."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text
from sqlalchemy.engine import make_url

from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.integration.servers import DEBIANS, PostgreSQL, free_port, self_signed

pytestmark = pytest.mark.long

HOST, OTHER_HOST = "db.example.gov", "elsewhere.example.gov"
ROLE, TELLING, PASSWORD = "over_network", "tells_its_password", "p%40ss"
ADMITS = f"hostssl all {TELLING} 127.0.0.1/32 password\nhost all all 127.0.0.1/32 scram-sha-256\n"
NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)


def sign(folder: Path) -> None:
    """Writes an authority's certificate, and a key and certificate of the host signed by it."""
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("authority", HOST)
    ]
    builder = (
        x509.CertificateBuilder()
        .issuer_name(names[0])
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
    )
    of_authority = (
        builder.subject_name(names[0])
        .public_key(authority.public_key())
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, hashes.SHA256())
    )
    of_host = (
        builder.subject_name(names[1])
        .public_key(key.public_key())
        .serial_number(2)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.crt").write_bytes(of_authority.public_bytes(pem))
    (folder / "server.crt").write_bytes(of_host.public_bytes(pem))
    clear = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(pem, *clear))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server of the system's packages that takes SCRAM, its certificate an authority's."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder), DEBIANS, port=free_port())
        sign(server.folder)  # overwrites its own, so owner and mode are kept
        server.restart(admits=ADMITS)
        for role in (ROLE, TELLING):
            server.administer(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'p@ss'")
        yield server
        server.stop()


def address(
    server: PostgreSQL, name: str, *, host: str = HOST, role: str = ROLE, options: str = ""
) -> str:
    """Returns a database's URL on another machine, whose name leads to this one."""
    authority = server.folder / "authority.crt"
    return (
        f"postgresql://{role}:{PASSWORD}@{host}:{server.port}/{name}?hostaddr=127.0.0.1"
        f"&{options or f'sslrootcert={authority}'}"
    )


def connect(url: str, *, allow_cleartext: bool = False) -> tuple[bool, bool]:
    """Connects, and says whether by TLS, and whether the password was proven and not told."""
    database = Database("the ledger", "VYE_LEDGER_URL", url, Cause.LEDGER, allow_cleartext)
    engine = database.engine()
    with database.errors(), engine.connect() as connection:
        query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        raw = connection.connection.driver_connection
        assert raw is not None
        return bool(connection.scalar(query)), bool(raw.pgconn.used_password)


def test_the_right_host_is_spoken_to_by_tls_with_scram(server: PostgreSQL) -> None:
    assert connect(address(server, "postgres")) == (True, True)


def test_another_host_an_unknown_authority_and_a_told_password_are_refused(
    server: PostgreSQL, tmp_path: Path, waits: list[float]
) -> None:
    self_signed(tmp_path / "other.crt")
    for url, words in {
        address(server, "postgres", host=OTHER_HOST): "the host name that is in the certificate",
        address(server, "postgres", options=f"sslrootcert={tmp_path / 'other.crt'}"): "sslrootcert",
        address(server, "postgres", options="sslrootcert=/nonexistent"): "sslrootcert",
        address(server, "postgres", role=TELLING): "say scram-sha-256",
        address(server, "postgres").replace(PASSWORD, "wrong"): "user and password",
    }.items():
        with pytest.raises(PipelineError) as caught:
            connect(url)
        assert words in caught.value.next_step
        assert not caught.value.is_transient
        assert HOST not in str(caught.value)


def test_cleartext_is_refused_unless_a_setting_allows_it(server: PostgreSQL) -> None:
    for weaker in ("sslmode=disable", "sslmode=require", "require_auth=none"):
        url = address(server, "postgres", options=weaker)
        with pytest.raises(UsageError, match="VYE_ALLOW_CLEARTEXT=1") as caught:
            connect(url)
        assert PASSWORD not in str(caught.value)
    url = address(server, "postgres", options="sslmode=disable")
    assert connect(url, allow_cleartext=True) == (False, True)


def test_the_doctor_says_what_is_wrong_with_the_way(
    server: PostgreSQL, embedded: Settings, waits: list[float]
) -> None:
    source = server.database()
    name = make_url(source).database or ""
    own = {"database_url": source, "database_write_url": source}
    Rehearsal.prepare(embedded.model_copy(update=own))

    def found(url: str, *, allow_cleartext: bool = False) -> dict[str, Finding]:
        remote = {"database_url": url, "allow_cleartext": allow_cleartext}
        examined = examine(embedded.model_copy(update=remote), NOW)
        return {one.subject: one for one in examined}

    right = found(address(server, name))
    assert right["VYE's database"].health in (Health.GOOD, Health.WARNING)
    assert right["in transit"].health is Health.GOOD
    wrong = found(address(server, name, host=OTHER_HOST))["VYE's database"]
    assert wrong.health is Health.BAD
    assert "another host name" in wrong.words
    assert "VYE_DATABASE_URL" in wrong.remedy
    clear = address(server, name, options="sslmode=disable")
    assert "sslmode other than verify-full" in found(clear)["VYE's database"].words
    allowed = found(clear, allow_cleartext=True)
    assert allowed["in transit"].health is Health.WARNING
    assert allowed["VYE's database"].health in (Health.GOOD, Health.WARNING)
