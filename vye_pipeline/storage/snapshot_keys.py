"""What snapshots are encrypted with: keys that the settings hold, or keys of KMS that they name.

A key of KMS never leaves it. It wraps a data key for each process that writes, and the wrapped data
key stands at the head of every snapshot: each can be opened by itself, by anyone KMS allows to.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from functools import cached_property, lru_cache
from threading import Lock
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from vye_pipeline.errors import Cause
from vye_pipeline.kms import INCORRECT_KEY, INVALID_CIPHERTEXT, LARGEST_BLOB, Kms, KmsError, Use
from vye_pipeline.retries import retried

HOW_TO_MAKE_A_KEY = (
    "make one with: python -c "
    '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())", '
    "or name a KMS key by its ARN or alias/…"
)
NAME_OF_A_KMS_KEY = re.compile(rb"(arn:aws[a-z-]*:kms:|alias/)[A-Za-z0-9:/_-]+")
SNAPSHOT_KEYS = Use(
    what="the snapshots' data keys",
    cause=Cause.STORAGE,
    setting="VYE_SNAPSHOT_KEY",
    rights="kms:GenerateDataKey and kms:Decrypt",
)
ENCRYPTION_CONTEXT = {"purpose": "vye_pipeline/snapshots"}
HEAD = re.compile(rb"kms1:(?P<wrapped>[A-Za-z0-9+/]+={0,2}):")
KEY_BYTES = 32
REMEMBERED = 1_000  # data keys that other processes have written with


class SnapshotKey(Protocol):
    """Encrypts bytes, and decrypts what it has encrypted."""

    def encrypt(self, content: bytes, /) -> bytes:
        """Returns bytes sealed."""

    def decrypt(self, sealed: bytes, /) -> bytes:
        """Returns what was sealed.

        Raises:
            InvalidToken: it is damaged, or sealed with another key.
        """


class KmsKey:
    """A key of KMS. What is sealed with it is a head with a wrapped data key, and a Fernet token.

    KMS is asked once for a data key to write with, and once to open each that is met.
    """

    def __init__(self, name: str, kms: Kms) -> None:
        """Takes the key's ARN or alias; KMS is asked when something is sealed or opened."""
        self._name, self._kms = name, kms
        self._lock = Lock()  # sensors of one process run in several threads
        self._opened = lru_cache(REMEMBERED)(self._open)

    def encrypt(self, content: bytes, /) -> bytes:
        """See SnapshotKey.

        Raises:
            PipelineError: storage: KMS can't be asked, or refuses.
        """
        with self._lock:
            head, data_key = self._own
        return head + data_key.encrypt(content)

    def decrypt(self, sealed: bytes, /) -> bytes:
        """See SnapshotKey.

        Raises:
            InvalidToken: it is damaged, or sealed with another key.
            PipelineError: storage: KMS can't be asked, or refuses.
        """
        head = HEAD.match(sealed)
        if head is None:
            raise InvalidToken
        with self._lock:
            data_key = self._opened(head["wrapped"])
        if data_key is None:
            raise InvalidToken
        return data_key.decrypt(sealed[head.end() :])

    @cached_property
    @retried
    def _own(self) -> tuple[bytes, Fernet]:
        """The head of what this process seals, and the data key that it seals with."""
        answer = self._kms.ask(
            "generate_data_key",
            KeyId=self._name,
            KeySpec="AES_256",
            EncryptionContext=ENCRYPTION_CONTEXT,
        )
        head = b"kms1:" + b64encode(answer["CiphertextBlob"]) + b":"
        return head, Fernet(urlsafe_b64encode(answer["Plaintext"]))

    @retried
    def _open(self, wrapped: bytes) -> Fernet | None:
        """Returns a data key, None where it isn't one that this key of KMS has wrapped for us."""
        try:
            blob = b64decode(wrapped)
        except ValueError:
            return None
        if len(blob) > LARGEST_BLOB:
            return None
        try:
            # Named, so that what somebody has sealed with another key of KMS is refused.
            answer = self._kms.ask(
                "decrypt",
                CiphertextBlob=blob,
                KeyId=self._name,
                EncryptionContext=ENCRYPTION_CONTEXT,
            )
        except KmsError as error:
            if error.code in (INVALID_CIPHERTEXT, INCORRECT_KEY):
                return None
            raise
        data_key = answer["Plaintext"]
        return Fernet(urlsafe_b64encode(data_key)) if len(data_key) == KEY_BYTES else None


def snapshot_key(key: bytes, *, allow_cleartext: bool) -> SnapshotKey:
    """Returns the key that one entry of VYE_SNAPSHOT_KEY is or names.

    Args:
        key: 32 bytes in URL-safe base64, or the ARN or alias of a KMS key.
        allow_cleartext: whether KMS may be reached over http on another machine.

    Raises:
        ValueError: it is neither.
    """
    if NAME_OF_A_KMS_KEY.fullmatch(key):
        return KmsKey(key.decode(), Kms(SNAPSHOT_KEYS, allow_cleartext=allow_cleartext))
    return Fernet(key)
