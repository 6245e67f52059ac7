"""The documented proxy, with a real nginx and Dagster: forged requests don't get through."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.integration.servers import free_port

pytestmark = pytest.mark.long

DEPLOYMENT = CHECKOUT / "docs" / "deployment"
READERS, OPERATORS = "vye.example.gov", "vye-operators.example.gov"
CHANGE = "mutation { reloadWorkspace { __typename } }"
LOOK = "{ version }"
SIGNED_IN = {"Authorization": "Basic b3BlcmF0b3I6c2VjcmV0"}  # operator:secret
CODE = "import dagster as dg\n\ndefs = dg.Definitions()\n"


@contextmanager
def started(command: list[str], ready: str, folder: Path) -> Iterator[None]:
    """Runs a program of Dagster's until it says that it is ready, and ends it afterwards."""
    program = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        umask=0o077,
    ) as process:  # fmt: skip
        assert process.stdout
        assert any(ready in line for line in process.stdout), f"{program} ended"
        yield
        process.kill()  # it may take its time to end in order, and has nothing to lose


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, READERS)])
    names = x509.SubjectAlternativeName([x509.DNSName(one) for one in (READERS, OPERATORS)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@contextmanager
def proxy(folder: Path, ports: dict[str, int]) -> Iterator[int]:
    """Runs nginx with the documented files; only places and ports are this machine's."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "install nginx: apt-get install nginx-light"
    port = free_port()
    write_certificate(folder)
    for name in ("readers", "operators"):
        (folder / name).write_text("operator:{PLAIN}secret\n", encoding="utf-8")
    replaced = {"/etc/vye_pipeline/proxy": str(folder), "listen 443": f"listen 127.0.0.1:{port}"}
    replaced |= {old: f"127.0.0.1:{new}" for old, new in ports.items()}
    for source, target in (("nginx.conf", "vye.conf"), ("nginx-common.conf", "common.conf")):
        text = (DEPLOYMENT / source).read_text(encoding="utf-8")
        for old, new in replaced.items():
            text = text.replace(old, new)
        (folder / target).write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "main.conf").write_text(
        f"{user} pid {folder / 'pid'}; events {{}} http {{ access_log {folder / 'access'}; "
        f"{temporary} include {folder / 'vye.conf'}; }}",
        encoding="utf-8",
    )
    command = [nginx, "-c", str(folder / "main.conf"), "-e", str(folder / "error")]
    subprocess.run(command, check=True)
    yield port
    subprocess.run([*command, "-s", "stop"], check=True)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The proxy's, in front of a webserver for readers and one for operators."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "code.py").write_text(CODE, encoding="utf-8")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    code_socket = str(folder / "run" / "code.sock")
    (folder / "run").mkdir(mode=0o700)
    ports = {"127.0.0.1:3000": free_port(), "127.0.0.1:3001": free_port()}
    with ExitStack() as running:
        grpc = ["dagster", "api", "grpc", "-f", str(folder / "code.py"), "--socket", code_socket]
        running.enter_context(started(grpc, "Started Dagster code server", folder))
        refuses_other_users(Path(code_socket))
        for place, options in (("127.0.0.1:3000", ["--read-only"]), ("127.0.0.1:3001", [])):
            server = [
                "dagster-webserver",
                "--grpc-socket",
                code_socket,
                *options,
                "--log-level=info",
            ]
            server += ["--host", "127.0.0.1", "--port", str(ports[place])]
            running.enter_context(started(server, "Serving dagster-webserver", folder))
        yield running.enter_context(proxy(folder, ports))


def refuses_other_users(path: Path) -> None:
    """Tries to open the code server's socket as somebody else."""
    assert not path.stat().st_mode & 0o077
    assert not path.parent.stat().st_mode & 0o077
    if os.geteuid() == 0:
        attempt = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", attempt],
            user="nobody", extra_groups=[], cwd="/", capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0


def ask(
    port: int,
    host: str,
    query: str,
    *,
    method: str = "POST",
    path: str = "/graphql",
    **headers: str,
) -> tuple[int, str]:
    """Asks the proxy as a browser does that is signed in, and returns status and answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    own = {
        "Host": f"{host}:{port}",
        "Origin": f"https://{host}:{port}",
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
        **SIGNED_IN,
    }
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in (own | given).items() if value}
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    try:
        connection.request(method, path, json.dumps({"query": query}), sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_an_operator_changes_and_a_reader_looks(port: int) -> None:
    status, answer = ask(port, OPERATORS, CHANGE)
    assert (status, "UnauthorizedError" in answer) == (200, False), answer
    status, answer = ask(port, READERS, CHANGE)
    assert (status, "UnauthorizedError" in answer) == (200, True), answer
    assert ask(port, READERS, LOOK)[0] == 200
    assert (
        ask(port, OPERATORS, LOOK, method="GET", path="/", Origin="", Sec_Fetch_Site="none")[0]
        == 200
    )


FORGERIES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"https://{OPERATORS}.evil.example"},
    {"Origin": f"http://{OPERATORS}"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "none"},
]


@pytest.mark.parametrize("headers", FORGERIES, ids=str)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/x"])
def test_another_site_changes_nothing(port: int, headers: dict[str, str], path: str) -> None:
    assert ask(port, OPERATORS, CHANGE, path=path, **headers)[0] == 403


def test_graphql_by_get_is_refused_from_anywhere(port: int) -> None:
    path = "/graphql?query=mutation%20%7BreloadWorkspace%7B__typename%7D%7D"
    for headers in ({}, *FORGERIES):
        assert ask(port, OPERATORS, CHANGE, method="GET", path=path, **headers)[0] in (403, 405)
    forged = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "https://evil.example"}
    assert ask(port, OPERATORS, CHANGE, method="GET", path="/graphql", **forged)[0] == 403


def test_who_is_not_signed_in_sees_nothing(port: int) -> None:
    for host in (READERS, OPERATORS):
        assert ask(port, host, LOOK, Authorization="")[0] == 401
        assert ask(port, host, LOOK, Authorization="Basic eDp5")[0] == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost"])
def test_another_host_gets_no_answer(port: int, host: str) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLError)):
        ask(port, host, LOOK)
