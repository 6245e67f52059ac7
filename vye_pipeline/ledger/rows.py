"""What the ledger's methods take and return: rows as values, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.errors import source_error

MOST_LISTED = 20
PUT, BY_HAND = "put", "by hand"  # how a file got to BDN


@dataclass(frozen=True)
class FileRow:
    """What the ledger knows of a partition's file.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        file_name: as BDN knows it.
        object_key: where it is put.
        snapshot_name: of the records that are claimed.
        claims_version: counts the changes of their claims, from 1; 0 of a file not claimed yet.
        fingerprint: of the file that was rendered from these claims; None until it is.
        byte_count: of that file.
        line_count: of that file.
    """

    partition_date: date
    kind: str
    file_name: str
    object_key: str
    snapshot_name: str
    claims_version: int = 0
    fingerprint: str | None = None
    byte_count: int | None = None
    line_count: int | None = None

    def receipt(self, delivered_at: datetime, way: str = PUT) -> Receipt:
        """Returns the receipt that a rendered file has once it is delivered."""
        return Receipt(
            partition_date=self.partition_date,
            kind=self.kind,
            object_key=self.object_key,
            fingerprint=self.fingerprint or "",
            byte_count=self.byte_count or 0,
            line_count=self.line_count or 0,
            delivered_at=delivered_at,
            way=way,
        )


@dataclass(frozen=True)
class Receipt:
    """A delivery: what BDN was sent, and when (UTC).

    Attributes:
        partition_date: of the file.
        kind: of its records.
        object_key: where it lies; of one that was handed over, where it would.
        fingerprint: of the file.
        byte_count: of the file.
        line_count: of the file.
        delivered_at: when it was put, or the hand-over confirmed.
        way: put, or by hand.
    """

    partition_date: date
    kind: str
    object_key: str
    fingerprint: str
    byte_count: int
    line_count: int
    delivered_at: datetime
    way: str = PUT

    @property
    def is_by_hand(self) -> bool:
        """Whether a person handed it over, so that no object is of it."""
        return self.way == BY_HAND


@dataclass(frozen=True)
class FileState:
    """How a partition's file stands at one moment.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        file: None where the partition was never read.
        receipt: None where it isn't delivered.
        expired_at: when its content expired (UTC), None where it hasn't.
    """

    partition_date: date
    kind: str
    file: FileRow | None
    receipt: Receipt | None
    expired_at: datetime | None

    def require_content(self) -> None:
        """Refuses to go on with a file whose content has expired.

        Raises:
            PipelineError: source: it has; it was delivered before, so nothing is left to send.
        """
        if self.expired_at is not None:
            raise source_error(
                f"the content of the {self.kind} of {self.partition_date} expired on "
                f"{self.expired_at:%Y-%m-%d}: it was delivered before, and can't be read any more",
                is_transient=False,
                next_step="nothing has to be sent; what BDN got lies in the object store",
            )


@dataclass(frozen=True)
class HandOver:
    """A hand-over that is begun, and neither confirmed nor withdrawn.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        fingerprint: of the file.
        try_id: of the try that it counts as.
        begun_by: who began it.
        begun_at: when (UTC).
    """

    partition_date: date
    kind: str
    fingerprint: str
    try_id: int
    begun_by: str
    begun_at: datetime

    def in_words(self) -> str:
        """Returns whose file is being handed over, by whom and since when."""
        since = self.begun_at.astimezone(NEW_YORK)
        return (
            f"{self.kind} of {self.partition_date} are being handed over by {self.begun_by} "
            f"since {since:%Y-%m-%d %H:%M %Z}"
        )

    def decide_command(self) -> str:
        """Returns what a person types to decide it."""
        command = f"vye hand-over {self.partition_date} --kind {self.kind}"
        return f'{command} --confirm "who took it, when", or --withdraw "why"'


@dataclass(frozen=True)
class RedeliveryRow:
    """A file put again because BDN asked for it (times in UTC).

    Attributes:
        partition_date: of the file.
        kind: of its records.
        revision: from 2.
        object_key: where the same bytes are put.
        fingerprint: of the file, as in its receipt.
        requested_by: who asked for it.
        reason: why.
        requested_at: when.
        redelivered_at: when it lay there, None until it does.
        database_user: the session's user on PostgreSQL, which the database puts there.
    """

    partition_date: date
    kind: str
    revision: int
    object_key: str
    fingerprint: str
    requested_by: str
    reason: str
    requested_at: datetime
    redelivered_at: datetime | None
    database_user: str | None = None


@dataclass(frozen=True)
class SentObject:
    """What BDN was sent: the object, the fingerprint that it must have, and the way it took."""

    partition_date: date
    kind: str
    object_key: str
    fingerprint: str
    way: str = PUT


@dataclass(frozen=True)
class Orphan:
    """An acknowledgement that answers to nothing (times in UTC).

    Attributes:
        partition_date: of the business day that found it.
        object_key: where it lies, as people may see it.
        fingerprint: of its bytes.
        snapshot_name: where they are kept.
        reason: why it answers to nothing.
        seen_at: when it was looked at last.
    """

    partition_date: date
    object_key: str
    fingerprint: str
    snapshot_name: str
    reason: str
    seen_at: datetime

    def in_words(self) -> str:
        """Returns what it is and what to do."""
        return (
            f"{self.object_key} is an orphaned acknowledgement: {self.reason}; "
            "ask BDN which file it answers, and to put it again under that file's name"
        )


def orphans_in_words(orphans: Sequence[Orphan]) -> list[str]:
    """Returns a line an orphan; of many the first ones, and how many more there are."""
    lines = [orphan.in_words() for orphan in orphans[:MOST_LISTED]]
    if len(orphans) > MOST_LISTED:
        lines.append(f"and {len(orphans) - MOST_LISTED:,} more orphaned acknowledgements")
    return lines
