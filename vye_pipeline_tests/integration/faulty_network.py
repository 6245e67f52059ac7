"""A network between a client and S3 that does harm to chosen requests, on the wire."""

from __future__ import annotations

import hashlib
import socket
import struct
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing resets the connection
PAGE = b"<html><body>Bad gateway</body></html>"


@dataclass(frozen=True)
class Request:
    """A request that has come through."""

    verb: str
    path: str
    headers: dict[str, str]


@dataclass
class Plan:
    """Which requests a fault hits: those from `first` on, `count` of them, of some verbs."""

    fault: Fault
    verbs: frozenset[str] = frozenset({"PUT", "GET"})
    first: int = 0
    count: int = 1
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def takes(self, verb: str) -> bool:
        """Says whether the next request of a verb is hit."""
        if verb not in self.verbs:
            return False
        is_hit = self.first <= self.seen < self.first + self.count
        self.seen += 1
        self.hits += is_hit
        return is_hit


class FaultyNetwork(ThreadingHTTPServer):
    """Stands between client and S3; keeps what has come through, and harms it by plan."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        """Takes host and port of the S3 server."""
        super().__init__(("127.0.0.1", 0), FaultyHandler)
        self.upstream = upstream
        self.plan: Plan | None = None
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def puts(self) -> list[dict[str, str]]:
        """The headers of the PUTs, names in lower case."""
        return [request.headers for request in self.requests if request.verb == "PUT"]


class FaultyHandler(BaseHTTPRequestHandler):
    """One connection through the faulty network."""

    protocol_version = "HTTP/1.1"
    server: FaultyNetwork

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers))
        plan = self.server.plan
        if plan is not None and plan.takes(self.command):
            plan.fault(self)
        else:
            self.answer(*self.forward(self.body()))

    def body(self) -> bytes:
        """Reads the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forward(self, content: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Passes the request on and returns S3's answer."""
        with closing(HTTPConnection(self.server.upstream)) as connection:
            headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
            connection.request(self.command, self.path, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())

    def answer(self, status: int, body: bytes, headers: dict[str, str], sent: int = -1) -> None:
        """Gives an answer to the client, or only so many bytes of its body."""
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if sent < 0 else body[:sent])

    def hang_up(self, *, is_reset: bool = False) -> None:
        """Ends the connection, by a reset or in order."""
        if is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


Fault = Callable[[FaultyHandler], None]


def lose_request(handler: FaultyHandler) -> None:
    """It never arrives."""
    handler.body()
    handler.hang_up()


def lose_answer(handler: FaultyHandler) -> None:
    """S3 has done it, and nobody hears of it."""
    handler.forward(handler.body())
    handler.hang_up()


def no_answer(handler: FaultyHandler) -> None:
    """The client waits until it gives up."""
    handler.body()
    handler.connection.recv(1)
    handler.hang_up()


def reset_in_request(handler: FaultyHandler) -> None:
    """The connection is reset in the middle of the body."""
    handler.rfile.read(int(handler.headers.get("Content-Length") or 0) // 2)
    handler.hang_up(is_reset=True)


def reset_in_answer(handler: FaultyHandler) -> None:
    """The connection is reset in the middle of S3's answer."""
    status, body, headers = handler.forward(handler.body())
    handler.answer(status, body, headers, sent=len(body) // 2)
    handler.wfile.flush()
    handler.hang_up(is_reset=True)


def cut_answer(handler: FaultyHandler) -> None:
    """S3's answer ends early, in order."""
    status, body, headers = handler.forward(handler.body())
    handler.answer(status, body + b"x", headers, sent=len(body) // 2)
    handler.hang_up()


def altered_request(handler: FaultyHandler) -> None:
    """A byte of the body is altered; S3 compares the checksum and refuses it."""
    content = handler.body() + b"?"
    claimed = handler.headers.get("x-amz-checksum-sha256")
    if claimed != b64encode(hashlib.sha256(content).digest()).decode():
        error("XAmzContentChecksumMismatch", 400)(handler)
    else:
        handler.answer(*handler.forward(content))


def altered_answer(handler: FaultyHandler) -> None:
    """A byte of S3's answer is altered on the way."""
    status, body, headers = handler.forward(handler.body())
    handler.answer(status, bytes(255 - byte for byte in body), headers)


def page_of_a_proxy(handler: FaultyHandler) -> None:
    """A proxy answers in place of S3, in HTML."""
    handler.body()
    handler.answer(502, PAGE, {"Content-Type": "text/html"})


def error(code: str, status: int) -> Fault:
    """Returns the fault that S3 answers with an error code."""

    def refuse(handler: FaultyHandler) -> None:
        handler.body()
        handler.answer(status, f"<Error><Code>{code}</Code></Error>".encode(), {})

    return refuse
