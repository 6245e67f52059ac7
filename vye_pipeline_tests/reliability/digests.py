"""Every unkeyed digest that somebody with a file could compute, and where one of them lies."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator

import numpy as np

Digest = Callable[[bytes], bytes]


def _named(name: str) -> Digest:
    return lambda content: hashlib.new(name, content, usedforsecurity=False).digest()


DIGESTS: dict[str, Digest] = {
    **{
        name: _named(name)
        for name in (
            "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512_256", "sha3_256",
            "blake2b", "blake2s",
        )
    },
    "blake2b of 16 bytes": lambda content: hashlib.blake2b(content, digest_size=16).digest(),
    "blake2b of 32 bytes": lambda content: hashlib.blake2b(content, digest_size=32).digest(),
    "HMAC without a key": lambda content: hmac.digest(b"", content, "sha256"),
}  # fmt: skip
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "bytes": bytes,
    "hex": lambda digest: digest.hex().encode(),
    "HEX": lambda digest: digest.hex().upper().encode(),
    "base64": b64encode,
    "base64 of URLs": urlsafe_b64encode,
    "base32": b32encode,
}
SHORT: dict[str, Callable[[bytes], int]] = {"crc32": zlib.crc32, "adler32": zlib.adler32}
SHORT_WORD = re.compile(rb"(?<![0-9A-Za-z.-])(?:[0-9a-f]{8}|[0-9A-F]{8}|[0-9]{6,10})(?![\w.-])")
LENGTH = 16  # of each form; what is cut off after it is found too
HALF = np.dtype("<u8")
BY_CHANCE = 1  # of 32 bits one may be met among many numbers, two are not


class Digests:
    """The digests of personal contents, to be looked for at every byte."""

    def __init__(self, contents: Iterable[bytes]) -> None:
        """Computes them all."""
        self._known: dict[bytes, str] = {}
        self._short: dict[bytes, str] = {}
        for content in set(contents):
            for name, digest in DIGESTS.items():
                self._add(name, digest(content))
            for name, short in SHORT.items():
                number = short(content)
                for form in (f"{number:08x}", f"{number:08X}", str(number)):
                    self._short[form.encode()] = name
        heads = b"".join(known[: HALF.itemsize] for known in self._known)
        self._heads = np.unique(np.frombuffer(heads, HALF))

    def _add(self, name: str, digest: bytes) -> None:
        for spelled in FORMS.values():
            self._known[spelled(digest)[:LENGTH]] = name

    def __len__(self) -> int:
        """How many are looked for."""
        return len(self._known) + len(self._short)

    def found(self, content: bytes) -> set[str]:
        """Returns which digests a content holds, by what they were made with."""
        long = {
            self._known[content[place : place + LENGTH]]
            for place in self._places(content)
            if content[place : place + LENGTH] in self._known
        }
        words = set(SHORT_WORD.findall(content)) & self._short.keys()
        return long | ({self._short[word] for word in words} if len(words) > BY_CHANCE else set())

    def _places(self, content: bytes) -> Iterator[int]:
        """Yields where the first half of a digest stands."""
        for shift in range(HALF.itemsize):
            count = (len(content) - shift) // HALF.itemsize
            if count > 0:
                words = np.frombuffer(content, HALF, count, shift)
                at = np.searchsorted(self._heads, words).clip(max=len(self._heads) - 1)
                places = np.flatnonzero(self._heads[at] == words) * HALF.itemsize + shift
                yield from places.tolist()
