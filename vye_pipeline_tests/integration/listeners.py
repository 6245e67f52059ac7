"""Slack and Datadog's agent, as far as they are talked to: listeners on this machine."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


class SlackListener:
    """Records the messages that it is sent, and refuses them while told to."""

    def __init__(self) -> None:
        """Starts to listen."""
        self.messages: list[dict[str, str]] = []
        self.methods: list[str] = []
        self.refusal: str | None = None
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.methods.append(self.path.removeprefix("/"))
                answer: dict[str, object] = {"ok": listener.refusal is None}
                if listener.refusal:
                    answer["error"] = listener.refusal
                elif body:
                    listener.messages.append(json.loads(body))
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        """Returns itself."""
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops to listen."""
        self._server.shutdown()
        self._server.server_close()

    def heard(self) -> list[str]:
        """Returns the texts since the last call."""
        texts = [message["text"] for message in self.messages]
        self.messages.clear()
        return texts


class StatsdListener:
    """Records the gauges that it is sent."""

    def __init__(self) -> None:
        """Starts to listen."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stops to listen."""
        self._socket.close()

    def heard(self) -> list[str]:
        """Returns the datagrams' lines since the last call."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return lines
