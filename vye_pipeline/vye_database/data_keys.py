"""The rows' data keys, opened by KMS (docs/production.md, "What a row holds").

One call a distinct row, its answer kept in memory only. A key that belongs to another row, or is
damaged, is that row's fault; whatever else KMS answers is a failure of the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from vye_pipeline.errors import Cause
from vye_pipeline.in_flight import in_flight
from vye_pipeline.kms import AT_ONCE, INVALID_CIPHERTEXT, LARGEST_BLOB, Kms, KmsError, Use
from vye_pipeline.retries import retried
from vye_pipeline.vye_database.column_cipher import KEY_BYTES, decoded
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID, PREFIX, unwrap_insecurely

VERSION = re.compile(r"v\d+:")  # a year, not authenticated: says nothing
COLUMN_KEYS = Use(
    what="the rows' data keys",
    cause=Cause.SOURCE,
    setting="VYE_COLUMN_KMS_KEY_ID",
    rights="kms:Decrypt",
)


@dataclass(frozen=True)
class WrappedKey:
    """A row's data key as it is stored.

    Attributes:
        model: the row's, in the encryption context.
        row_id: the same.
        stored: encrypted_kms_key, empty where it is null.
    """

    model: str
    row_id: int
    stored: str

    @property
    def encryption_context(self) -> dict[str, str]:
        """What KMS must be told to open it."""
        return {"model_name": self.model, "model_id": str(self.row_id)}

    @property
    def blob(self) -> bytes | None:
        """The wrapped key without its version, None where it can't be one."""
        try:
            blob = decoded(VERSION.sub("", self.stored, count=1))
        except ValueError:
            return None
        return blob if 0 < len(blob) <= LARGEST_BLOB else None


class DataKeys:
    """Opens data keys, each once as long as it is remembered."""

    def __init__(self, kms_key_id: str | None, *, allow_cleartext: bool = False) -> None:
        """Takes the only KMS key that may open them (None for any), and whether http will do."""
        self.calls = 0
        self._kms = Kms(COLUMN_KEYS, allow_cleartext=allow_cleartext)
        self._kms_key_id = kms_key_id
        self._opened: dict[WrappedKey, bytes | None] = {}

    def forget(self) -> None:
        """Forgets every key."""
        self._opened.clear()
        self.calls = 0

    @retried
    def open(self, wrapped: Collection[WrappedKey]) -> dict[WrappedKey, bytes | None]:
        """Returns the data keys, None where a row's can't be opened.

        Raises:
            PipelineError: source: KMS can't be asked, or refuses.
            UsageError: the settings can't be used.
        """
        unknown = {key for key in wrapped if key not in self._opened}
        callable_keys = []
        for key in unknown:
            if self._kms_key_id == INSECURE_KEY_ID:
                self._opened[key] = unwrap_insecurely(key.blob, key.encryption_context)
            elif key.blob is None or key.blob.startswith(PREFIX):
                self._opened[key] = None
            else:
                callable_keys.append(key)
        if callable_keys:
            self._ask(callable_keys)
        return {key: self._opened[key] for key in wrapped}

    def _ask(self, keys: list[WrappedKey]) -> None:
        self._kms.open()  # once, before the threads
        for key, opened in in_flight(self._decrypt, keys, at_once=AT_ONCE, what="data keys"):
            self._opened[key] = opened
            self.calls += 1

    def _decrypt(self, key: WrappedKey) -> bytes | None:
        pinned = {"KeyId": self._kms_key_id} if self._kms_key_id else {}
        try:
            answer = self._kms.ask(
                "decrypt",
                CiphertextBlob=key.blob,
                EncryptionContext=key.encryption_context,
                **pinned,
            )
        except KmsError as error:
            if error.code == INVALID_CIPHERTEXT:  # that one row's
                return None
            raise
        opened: bytes = answer["Plaintext"]
        return opened if len(opened) == KEY_BYTES else None
