"""Data keys as VYE's application wraps them in development and test: not at all.

`insecure-test-key` stands for a KMS key there. A key wrapped so is readable by everybody, so it is
opened only where VYE_COLUMN_KMS_KEY_ID names it, and the doctor shouts.
"""

from __future__ import annotations

import json
from base64 import b64decode, encodebytes

from vye_pipeline.vye_database.column_cipher import KEY_BYTES

INSECURE_KEY_ID = "insecure-test-key"
PREFIX = b64decode("insecure+data+A=")
LINE_WIDTH = 60


def wrap_insecurely(data_key: bytes, encryption_context: dict[str, str]) -> bytes:
    """Returns a data key as VYE's application stores it under this key."""
    return b":".join([PREFIX, _base64(data_key).rstrip(b"\n"), _context(encryption_context)])


def unwrap_insecurely(blob: bytes | None, encryption_context: dict[str, str]) -> bytes | None:
    """Returns the data key, None where the blob isn't one of this row."""
    parts = (blob or b"").split(b":")
    if len(parts) != 3 or parts[0] != PREFIX:
        return None
    if parts[2] != _context(encryption_context):
        return None
    try:
        data_key = b64decode(parts[1], validate=True)
    except ValueError:
        return None
    return data_key if len(data_key) == KEY_BYTES else None


def _context(encryption_context: dict[str, str]) -> bytes:
    return _base64(json.dumps(encryption_context, sort_keys=True, separators=(",", ":")).encode())


def _base64(content: bytes) -> bytes:
    """Breaks the lines as Ruby does, after 60 characters."""
    whole = encodebytes(content).replace(b"\n", b"")
    lines = [whole[start : start + LINE_WIDTH] for start in range(0, len(whole), LINE_WIDTH)]
    return b"".join(line + b"\n" for line in lines)
