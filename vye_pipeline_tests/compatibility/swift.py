"""OpenStack Swift, one server of each kind, which speaks S3 by its middleware s3api."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vye_pipeline_tests.compatibility.object_servers import (
    ACCESS_KEY,
    PEERS,
    SECRET_KEY,
    ObjectServer,
    reach,
    stopped_at_the_end,
)

HASH = "[swift-hash]\nswift_hash_path_suffix = trials\n"
SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
[pipeline:main]
pipeline = {pipeline}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {password} .admin
[app:{kind}-server]
use = egg:swift#{kind}
account_autocreate = true
"""
STORAGE = ("account", "container", "object")


@dataclass(frozen=True)
class Swift(ObjectServer):
    """Account, container and object server behind a proxy, with one copy of everything."""

    @contextmanager
    def running(self, folder: Path, port: int) -> Iterator[str]:
        """Serves a folder, and gives the address; the ports after it are its servers'."""
        (folder / "devices" / "d").mkdir(parents=True)
        (folder / "swift.conf").write_text(HASH, encoding="utf-8")
        with ExitStack() as servers:
            for number, kind in enumerate(STORAGE, start=1):
                self._make_ring(folder, kind, port + number)
                servers.enter_context(self._server(folder, kind, port + number, f"{kind}-server"))
            pipeline = "catch_errors s3api tempauth bulk proxy-server"
            servers.enter_context(self._server(folder, "proxy", port, pipeline))
            yield f"http://127.0.0.1:{port}"

    def _make_ring(self, folder: Path, kind: str, port: int) -> None:
        for arguments in (
            ["create", "4", "1", "1"],
            ["add", f"r1z1-127.0.0.1:{port}/d", "1"],
            ["rebalance"],
        ):
            subprocess.run(
                [str(PEERS / "swift-ring-builder"), str(folder / f"{kind}.builder"), *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
            )

    @contextmanager
    def _server(self, folder: Path, kind: str, port: int, pipeline: str) -> Iterator[None]:
        configuration = folder / f"{kind}.conf"
        configuration.write_text(
            SERVER.format(
                folder=folder,
                kind=kind,
                port=port,
                pipeline=pipeline,
                user=ACCESS_KEY.replace(":", "_"),
                password=SECRET_KEY,
            ),
            encoding="utf-8",
        )
        program = [str(PEERS / f"swift-{kind}-server"), str(configuration)]
        with stopped_at_the_end(program, folder / f"{kind}.log"):
            reach(port)
            yield


SWIFT = Swift("swift", PEERS / "swift-proxy-server", (), {}, settings={"s3_encryption": "none"})
