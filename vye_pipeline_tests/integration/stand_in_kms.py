"""A stand-in for KMS over HTTP, with faults, a latency and a count; strict where KMS is.

Its blobs are moto's, so that what moto wrapped opens here and the other way round: key id, nonce,
tag and ciphertext, with the encryption context as associated data. Unlike moto it tells a blob that
is no KMS's from a key that this caller may not use.
"""

from __future__ import annotations

import json
import os
import socket
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KNOWN = Path(__file__).parents[1] / "golden" / "encrypted" / "kms.json"
KEY_ID = "11111111-1111-4111-8111-111111111111"
OTHER_KEY_ID = "22222222-2222-4222-8222-222222222222"
REGION = "us-gov-west-1"
ARN = f"arn:aws-us-gov:kms:{REGION}:111122223333:"
MODELS = {"Vye::UserInfo", "Vye::DirectDepositChange", "Vye::AddressChange"}
SNAPSHOTS = {"purpose": "vye_pipeline/snapshots"}
ID_LENGTH, NONCE_LENGTH, TAG_LENGTH = 36, 12, 16
SERVER_ERRORS = frozenset({"KMSInternalException", "DependencyTimeoutException"})


class Refused(Exception):
    """An answer that is an error; its type as KMS names it."""


def known_keys() -> dict[str, bytes]:
    """Returns the keys that the golden data are encrypted under."""
    keys = json.loads(KNOWN.read_text())["keys"]
    return {key_id: bytes.fromhex(material) for key_id, material in keys.items()}


@dataclass
class StandInKms:
    """What it holds, and how it behaves.

    Attributes:
        keys: material by id.
        aliases: which of them an alias names.
        disabled: those that are refused until they are enabled again.
        denied: what the caller's role is not allowed, of Decrypt, Encrypt and GenerateDataKey.
        latency: seconds before each answer.
        fault: called with the count of the call before it is answered; may raise Refused, or
            return True to cut the connection.
        calls: each Decrypt's context, in the order in which they came.
        generated: each GenerateDataKey's.
        most_at_once: how many were answered at the same time.
    """

    keys: dict[str, bytes] = field(default_factory=known_keys)
    aliases: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    latency: float = 0.0
    fault: Callable[[int], bool | None] = lambda _: None
    calls: list[dict[str, str]] = field(default_factory=list)
    generated: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""
    _at_once: int = 0
    _lock: Lock = field(default_factory=Lock)

    def answer(self, action: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Answers a call; None cuts the connection."""
        counted = {"Decrypt": self.calls, "GenerateDataKey": self.generated}
        with self._lock:
            if action in counted:
                counted[action].append(asked.get("EncryptionContext", {}))
            number = len(self.calls) + len(self.generated)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(self.latency)
            if self.fault(number):
                return None
            if action in self.denied or not _is_allowed(action, asked):
                raise Refused("AccessDeniedException")
            answers = {
                "Decrypt": self._decrypt,
                "Encrypt": self._encrypt,
                "GenerateDataKey": self._generate_data_key,
            }
            return answers[action](asked)
        finally:
            with self._lock:
                self._at_once -= 1

    def _decrypt(self, asked: dict[str, Any]) -> dict[str, Any]:
        blob = b64decode(asked["CiphertextBlob"])
        if not 0 < len(blob) <= 6144:
            raise Refused("ValidationException")
        key_id = blob[:ID_LENGTH].decode(errors="replace")
        pinned = self._key_named(asked["KeyId"]) if "KeyId" in asked else key_id
        if key_id not in self.keys:
            raise Refused("InvalidCiphertextException")
        if pinned != key_id:
            raise Refused("IncorrectKeyException")
        self._refuse_disabled(key_id)
        nonce, tag, rest = _cut(blob[ID_LENGTH:])
        try:
            plain = AESGCM(self.keys[key_id]).decrypt(nonce, rest + tag, _data(_context(asked)))
        except (InvalidTag, ValueError):
            raise Refused("InvalidCiphertextException") from None
        return {"KeyId": arn_of(key_id), "Plaintext": b64encode(plain).decode()}

    def _encrypt(self, asked: dict[str, Any]) -> dict[str, Any]:
        key_id = self._key_named(asked["KeyId"])
        blob = self.wrap(b64decode(asked["Plaintext"]), _context(asked), key_id)
        return {"KeyId": arn_of(key_id), "CiphertextBlob": b64encode(blob).decode()}

    def _generate_data_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("KeySpec") != "AES_256":
            raise Refused("ValidationException")
        key_id = self._key_named(asked["KeyId"])
        plain = os.urandom(32)
        return {
            "KeyId": arn_of(key_id),
            "Plaintext": b64encode(plain).decode(),
            "CiphertextBlob": b64encode(self.wrap(plain, _context(asked), key_id)).decode(),
        }

    def _key_named(self, name: str) -> str:
        """Returns the id of the key that an id, an alias or the ARN of either names here."""
        key_id = self.aliases.get(name.removeprefix(ARN), name.removeprefix(f"{ARN}key/"))
        if key_id not in self.keys:
            raise Refused("NotFoundException")
        self._refuse_disabled(key_id)
        return key_id

    def _refuse_disabled(self, key_id: str) -> None:
        if key_id in self.disabled:
            raise Refused("DisabledException")

    def wrap(self, plain: bytes, context: dict[str, str], key_id: str = KEY_ID) -> bytes:
        """Wraps something without being called over HTTP."""
        nonce = os.urandom(NONCE_LENGTH)
        sealed = AESGCM(self.keys[key_id]).encrypt(nonce, plain, _data(context))
        return key_id.encode() + nonce + sealed[-TAG_LENGTH:] + sealed[:-TAG_LENGTH]

    @contextmanager
    def serving(self) -> Iterator[StandInKms]:
        """Serves on a port of this machine."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.kms = self
        self.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def arn_of(key_id: str) -> str:
    """Returns the ARN of one of its keys."""
    return f"{ARN}key/{key_id}"


def _is_allowed(action: str, asked: dict[str, Any]) -> bool:
    """Says whether the policy of kms-policy.json lets the pipeline ask; Encrypt is VYE's."""
    context = _context(asked)
    of_a_row = action == "Decrypt" and context.get("model_name") in MODELS
    return of_a_row or context == SNAPSHOTS or action == "Encrypt"


def _context(asked: dict[str, Any]) -> dict[str, str]:
    context: dict[str, str] = asked.get("EncryptionContext", {})
    return context


def _cut(content: bytes) -> tuple[bytes, bytes, bytes]:
    end = NONCE_LENGTH + TAG_LENGTH
    return content[:NONCE_LENGTH], content[NONCE_LENGTH:end], content[end:]


def _data(context: dict[str, str]) -> bytes:
    return "".join(name + value for name, value in sorted(context.items())).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    kms: StandInKms

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].removeprefix("TrentService.")
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256"):
            return self._send(400, {"__type": "MissingAuthenticationTokenException"})
        try:
            answer = self.server.kms.answer(action, json.loads(content))
        except Refused as refused:
            status = 500 if str(refused) in SERVER_ERRORS else 400
            return self._send(status, {"__type": str(refused), "message": "refused"})
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._send(200, answer)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
