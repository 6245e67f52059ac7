"""Real S3 servers that are not moto, each for the length of a test."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from vye_pipeline.settings import CHECKOUT

PEERS = CHECKOUT / "data" / "local" / "peers" / "bin"  # made by .ci/peers
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"


@dataclass(frozen=True)
class ObjectServer:
    """A server of S3's protocol.

    Attributes:
        name: of its package.
        program: that serves.
        arguments: with {folder} for its data and {port}.
        environment: beside the usual one.
        settings: of the pipeline, that it needs.
    """

    name: str
    program: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Its name and version."""
        asked = "from importlib.metadata import version; print(version(input()))"
        answer = subprocess.run(
            [str(PEERS / "python"), "-c", asked],
            input=self.name,
            capture_output=True,
            text=True,
            check=True,
        )
        return f"{self.name} {answer.stdout.strip()}"

    @contextmanager
    def running(self, folder: Path, port: int) -> Iterator[str]:
        """Serves a folder, and gives the address."""
        arguments = [one.format(folder=folder, port=port) for one in self.arguments]
        program = [str(self.program), *arguments]
        with stopped_at_the_end(program, folder / "log", self.environment):
            reach(port)
            yield f"http://127.0.0.1:{port}"


@contextmanager
def stopped_at_the_end(
    program: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Runs a program meanwhile, which writes into a file."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            program, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


LOCALBUCKET = ObjectServer(
    "localbucket", PEERS / "localbucket", ("{folder}", "--port", "{port}"), {}
)
NANIO = ObjectServer(
    "nanio",
    PEERS / "nanio",
    ("serve", "--data-dir", "{folder}", "--host", "127.0.0.1", "--port", "{port}"),
    {"NANIO_ACCESS_KEY": ACCESS_KEY, "NANIO_SECRET_KEY": SECRET_KEY},
)


@retry(retry=retry_if_exception_type(OSError), stop=stop_after_delay(60), wait=wait_fixed(0.1))
def reach(port: int) -> None:
    """Waits until somebody listens on a port of this machine."""
    socket.create_connection(("127.0.0.1", port)).close()
