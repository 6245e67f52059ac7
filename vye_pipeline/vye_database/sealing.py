"""Encrypting rows as VYE's application does, for copies in production's shape.

Each row has a data key of its own, wrapped for this row by KMS. The pipeline itself never writes
such a row.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vye_pipeline.errors import UsageError
from vye_pipeline.in_flight import in_flight
from vye_pipeline.kms import AT_ONCE, Kms
from vye_pipeline.vye_database.column_cipher import KEY_BYTES, seal_value
from vye_pipeline.vye_database.data_keys import COLUMN_KEYS
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID, wrap_insecurely
from vye_pipeline.vye_database.personal import (
    KEY_COLUMN,
    PERSONAL,
    ROTATION_COLUMN,
    PersonalTable,
    ciphertext,
)

VERSION = "v2025"
WRAPPING = replace(COLUMN_KEYS, rights="kms:Encrypt")

Wrap = Callable[[bytes, dict[str, str]], bytes]


def wrapped_by(kms_key_id: str | None) -> Wrap:
    """Returns what wraps a data key for an encryption context.

    Raises:
        PipelineError: source: no region is set.
        UsageError: there is no KMS key, or the endpoint can't be used.
    """
    if kms_key_id is None:
        raise UsageError(
            "VYE_COLUMN_KMS_KEY_ID is missing: personal columns of this database are encrypted"
        )
    if kms_key_id == INSECURE_KEY_ID:
        return wrap_insecurely
    kms = Kms(WRAPPING)
    kms.open()
    return partial(_wrap, kms, kms_key_id)


def seal(table: str, rows: Sequence[dict[str, Any]], wrap: Wrap) -> list[dict[str, Any]]:
    """Returns rows with plain columns as production stores them, each under a key of its own.

    Raises:
        PipelineError: source: KMS can't be asked.
    """
    personal = PERSONAL.get(table)
    if personal is None:
        return list(rows)
    keys = {
        row["id"]: os.urandom(KEY_BYTES)
        for row in rows
        if any(row.get(column) for column in personal.columns)
    }

    def wrapped_key(row_id: int) -> str:
        context = {"model_name": personal.model, "model_id": str(row_id)}
        return f"{VERSION}:{b64encode(wrap(keys[row_id], context)).decode()}"

    wrapped = dict(in_flight(wrapped_key, list(keys), at_once=AT_ONCE, what="data keys wrapped"))
    return [_sealed(personal, row, keys.get(row["id"]), wrapped.get(row["id"])) for row in rows]


def _wrap(kms: Kms, kms_key_id: str, key: bytes, context: dict[str, str]) -> bytes:
    answer = kms.ask("encrypt", KeyId=kms_key_id, Plaintext=key, EncryptionContext=context)
    blob: bytes = answer["CiphertextBlob"]
    return blob


def _sealed(
    personal: PersonalTable, row: dict[str, Any], key: bytes | None, wrapped: str | None
) -> dict[str, Any]:
    cipher = AESGCM(key) if key else None
    hidden = {*personal.columns, *personal.dormant}
    sealed = {name: value for name, value in row.items() if name not in hidden}
    for column in personal.columns:
        value = row.get(column)
        sealed[ciphertext(column)] = seal_value(cipher, value) if cipher and value else value
    return sealed | {KEY_COLUMN: wrapped, ROTATION_COLUMN: False}
