"""One encrypted value of VYE's (docs/production.md, "What a row holds"). Pure.

base64 of nonce (12 bytes), AES-256-GCM ciphertext and tag (16 bytes), under the row's data key,
without associated data; inside, UTF-8 padded to a multiple of 16 by ISO 7816-4.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64encode
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES, TAG_BYTES, BLOCK_BYTES, KEY_BYTES = 12, 16, 16, 32
MARK = b"\x80"


class Fault(StrEnum):
    """Why a value of one row can't be read, as findings carry it."""

    KEY = "key"
    TEXT = "text"
    ENCODING = "encoding"


class UnreadableError(Exception):
    """A value can't be opened; says why, never what it holds."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def open_value(cipher: AESGCM | None, stored: str) -> str:
    """Returns the plain text of a stored value.

    Args:
        cipher: under the row's data key; None where that doesn't open.
        stored: not empty.

    Raises:
        UnreadableError: there is no key (key), the value is damaged or another row's (text), or
            not UTF-8 inside (encoding).
    """
    if cipher is None:
        raise UnreadableError(Fault.KEY)
    try:
        content = decoded(stored)
        padded = cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None)
    except (ValueError, InvalidTag):
        raise UnreadableError(Fault.TEXT) from None
    try:
        return _unpadded(padded).decode()
    except UnicodeDecodeError:
        raise UnreadableError(Fault.ENCODING) from None


def seal_value(cipher: AESGCM, plain: str) -> str:
    """Returns a value as VYE's application would store it, for copies and tests."""
    nonce = os.urandom(NONCE_BYTES)
    content = plain.encode() + MARK
    padded = content.ljust(-(-len(content) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")
    return b64encode(nonce + cipher.encrypt(nonce, padded, None)).decode()


def decoded(stored: str) -> bytes:
    """Reads base64 as VYE's application does: foreign characters and a missing `=` don't matter.

    Raises:
        ValueError: it is no base64 at all.
    """
    return binascii.a2b_base64(f"{stored}==")


def _unpadded(padded: bytes) -> bytes:
    """Takes the padding off; text without valid padding is from before there was any."""
    content = padded.rstrip(b"\0")
    if content[-1:] == MARK and len(padded) - len(content) < BLOCK_BYTES:
        return content[:-1]
    return padded
