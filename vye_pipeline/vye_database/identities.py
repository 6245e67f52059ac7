"""Who a profile is: an SSN for an ICN (docs/production.md, "Identities").

A source is asked for all distinct ICNs of a read at once. What it can't be asked is a failure of
the source, and never taken for somebody it doesn't know.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vye_pipeline.errors import UsageError, source_error

AMBIGUOUS = "ambiguous"
DECEASED = "deceased"
IDENTITY_THEFT = "identity_theft"
SAMPLE_SIZE = 20


@dataclass(frozen=True)
class Identity:
    """What a source answers about one ICN. Personal data.

    Attributes:
        ssn: empty where it knows none.
        is_ambiguous: whether it can't say which of several people is meant.
        notes: codes of what else it says of the person.
    """

    ssn: str = ""
    is_ambiguous: bool = False
    notes: tuple[str, ...] = ()


UNKNOWN = Identity()


class IdentitySource(Protocol):
    """Where identities come from."""

    def ask(self, icns: Collection[str]) -> Mapping[str, Identity]:
        """Answers for each of some distinct ICNs.

        Raises:
            PipelineError: source: it can't be asked, or refuses to answer.
        """


class Identities:
    """A source whose answers are remembered, so that nobody is asked for twice."""

    def __init__(self, source: IdentitySource) -> None:
        """Takes the source."""
        self.asked = 0
        self._source = source
        self._answers: dict[str, Identity] = {}

    def forget(self) -> None:
        """Forgets every answer."""
        self._answers.clear()
        self.asked = 0

    def ask(self, icns: Iterable[str]) -> dict[str, Identity]:
        """Answers for some ICNs; an empty one is asked of nobody and unknown.

        Raises:
            PipelineError: source: the source can't be asked.
        """
        wanted = set(icns)
        unasked = wanted - self._answers.keys() - {""}
        if unasked:
            self._answers.update(self._source.ask(unasked))
            self.asked += len(unasked)
        return {icn: self._answers.get(icn, UNKNOWN) for icn in wanted}


@dataclass(frozen=True)
class SsnDigest:
    """How VYE digests an SSN into vye_user_profiles.ssn_digest: scrypt with one fixed salt."""

    salt: bytes
    n: int
    r: int
    p: int
    length: int

    @classmethod
    def from_settings(cls, salt: str | None, parameters: str) -> SsnDigest | None:
        """Reads VYE_SSN_DIGEST_SALT (hex) and VYE_SSN_DIGEST_SCRYPT (N,r,p,length).

        Returns:
            None without a salt.

        Raises:
            UsageError: a setting can't be used; names it.
        """
        if salt is None:
            return None
        try:
            n, r, p, length = (int(number) for number in parameters.split(","))
            hashlib.scrypt(b"", salt=b"", n=n, r=r, p=p, dklen=length, maxmem=_memory(n, r, p))
        except (ValueError, OverflowError):
            raise UsageError(
                "VYE_SSN_DIGEST_SCRYPT can't be used: give N,r,p,length as 16384,8,1,32"
            ) from None
        try:
            return cls(bytes.fromhex(salt), n, r, p, length)
        except ValueError:
            raise UsageError("VYE_SSN_DIGEST_SALT can't be used: give it in hex") from None

    def of(self, ssn: str) -> bytes:
        """Returns the digest of an SSN as it came."""
        return hashlib.scrypt(
            ssn.encode(),
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            dklen=self.length,
            maxmem=_memory(self.n, self.r, self.p),
        )


def _memory(n: int, r: int, p: int) -> int:
    """Returns what scrypt needs; OpenSSL refuses more than 32 MiB unless told."""
    return 128 * r * (n + p + 2) + 1024 * 1024


def check_digests(digest: SsnDigest, known: Iterable[tuple[bytes, str]]) -> None:
    """Holds a sample of answers to what VYE has digested.

    Args:
        digest: how VYE does it.
        known: ssn_digest and the SSN that the source answered, for each of the sample.

    Raises:
        PipelineError: source: they are not the same people.
    """
    pairs = list(known)
    wrong = sum(not hmac.compare_digest(stored, digest.of(ssn)) for stored, ssn in pairs)
    if wrong:
        raise source_error(
            f"the identity service answers another SSN than VYE has digested, for {wrong} of "
            f"{len(pairs)} people looked at",
            is_transient=False,
            next_step="check VYE_IDENTITY_URL (does it belong to this database?) and "
            "VYE_SSN_DIGEST_SALT, VYE_SSN_DIGEST_SCRYPT, then run it again",
        )
