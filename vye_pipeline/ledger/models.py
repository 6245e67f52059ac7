"""The ledger's tables: what this pipeline remembers of each day, kind and record.

No column holds personal data (architecture.md, rule 7). Constraints and triggers, not care, keep a
record in one partition and a delivered file as it is (rule 5); the migrations make them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from vye_pipeline.database import UtcDateTime

Identifier = BigInteger().with_variant(Integer, "sqlite")

LINE = "line"
QUARANTINED = "quarantined"
REPLACED = "replaced"
SUPERSEDED = "superseded"


class Base(DeclarativeBase):
    """All tables of the ledger."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_key",
            "fk": "%(table_name)s_of_%(referred_table_name)s",
            "uq": "%(table_name)s_one_%(column_0_name)s",
            "ck": "%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        int: Identifier,
        str: String,
        bool: Boolean,
        date: Date,
        datetime: UtcDateTime,
    }


class File(Base):
    """One row a partition and kind that was read: the file that its records make."""

    __tablename__ = "files"

    partition_date: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    object_key: Mapped[str] = mapped_column(unique=True)
    snapshot_name: Mapped[str]
    first_claimed_at: Mapped[datetime]
    claimed_at: Mapped[datetime]
    sha256: Mapped[str | None]
    byte_count: Mapped[int | None]
    line_count: Mapped[int | None]


class Claim(Base):
    """One row a record: the partition it belongs to, for good, and what became of it there."""

    __tablename__ = "claims"
    __table_args__ = (
        # On PostgreSQL a trigger a statement stands for it: a check a row halves the speed.
        ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
        CheckConstraint(
            f"disposition IN ('{LINE}', '{QUARANTINED}', '{REPLACED}', '{SUPERSEDED}')",
            name="disposition",
        ),
        CheckConstraint(
            f"(disposition = '{LINE}') = (line_number IS NOT NULL)", name="line_number"
        ),
        Index("claims_by_partition", "kind", "partition_date"),
        Index("claims_by_profile", "kind", "user_profile_id"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(primary_key=True)
    partition_date: Mapped[date]
    user_info_id: Mapped[int]
    user_profile_id: Mapped[int]
    bdn_clone_id: Mapped[int]
    created_at: Mapped[datetime]
    transact_date: Mapped[date | None]
    disposition: Mapped[str]
    line_number: Mapped[int | None]
    is_vanished: Mapped[bool]


class Finding(Base):
    """One row a fault or normalisation of a claimed record's field."""

    __tablename__ = "findings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["kind", "record_id"],
            ["claims.kind", "claims.record_id"],
            ondelete="CASCADE",
        ),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    is_quarantining: Mapped[bool]


class PartitionClone(Base):
    """One row a BDN clone that a partition and kind has read, with or without records in it."""

    __tablename__ = "partition_clones"
    __table_args__ = (
        ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    )

    bdn_clone_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    partition_date: Mapped[date] = mapped_column(primary_key=True)


class Delivery(Base):
    """One row a file that lies in the object store, digest verified: the receipt."""

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    )

    partition_date: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    object_key: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str]
    byte_count: Mapped[int]
    line_count: Mapped[int]
    delivered_at: Mapped[datetime]


class Redelivery(Base):
    """One row a file that BDN asked for again: the same bytes under its next revision."""

    __tablename__ = "redeliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["partition_date", "kind"], ["deliveries.partition_date", "deliveries.kind"]
        ),
        CheckConstraint("revision >= 2", name="revision"),
    )

    partition_date: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    object_key: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str]
    requested_by: Mapped[str]
    reason: Mapped[str]
    requested_at: Mapped[datetime]
    redelivered_at: Mapped[datetime | None]


class Failure(Base):
    """One row a failed step: history that a later success does not remove."""

    __tablename__ = "failures"
    __table_args__ = (
        CheckConstraint("cause IN ('upload', 'source', 'defect')", name="cause"),
        Index("failures_by_partition", "partition_date", "kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    partition_date: Mapped[date]
    kind: Mapped[str]
    step: Mapped[str]
    failed_at: Mapped[datetime]
    run_id: Mapped[str | None]
    cause: Mapped[str]
    is_transient: Mapped[bool]
    what: Mapped[str]
    next_step: Mapped[str]
    record_count: Mapped[int]
    profile_count: Mapped[int]


class Acknowledgement(Base):
    """One row an acknowledgement as it came; its bytes lie in a snapshot.

    Of several at the same place the one that was read last counts: `read_at`.
    """

    __tablename__ = "acknowledgements"

    partition_date: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    object_key: Mapped[str]
    snapshot_name: Mapped[str]
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    read_at: Mapped[datetime]
    disposition: Mapped[str]
    reason_code: Mapped[str | None]
    lines_received: Mapped[int]
    accepted_count: Mapped[int]
    rejected_count: Mapped[int]


class OrphanedAcknowledgement(Base):
    """One row an acknowledgement that lies there and answers to nothing that was sent."""

    __tablename__ = "orphaned_acknowledgements"

    object_key: Mapped[str] = mapped_column(primary_key=True)
    partition_date: Mapped[date]
    sha256: Mapped[str]
    snapshot_name: Mapped[str]
    reason: Mapped[str]
    seen_at: Mapped[datetime]


# Word for word the condition of an index: with it a question about what is open reads no history.
IS_OPEN = text("replaced_at IS NULL AND status NOT IN ('acknowledged', 'superseded')")


class Reconciliation(Base):
    """One row a record, with its one status, and one for each unexpected line of BDN's.

    A row holds from `reconciled_at` until `replaced_at`; those without the latter hold now.
    """

    __tablename__ = "reconciliations"
    __table_args__ = (
        CheckConstraint("(record_id IS NULL) = (status = 'unexpected')", name="unexpected"),
        Index(
            "reconciliations_by_record",
            "kind",
            "record_id",
            unique=True,
            sqlite_where=text("replaced_at IS NULL"),
            postgresql_where=text("replaced_at IS NULL"),
        ),
        Index("reconciliations_by_partition", "partition_date", "kind"),
        Index(
            "reconciliations_open",
            "partition_date",
            "kind",
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    partition_date: Mapped[date]
    kind: Mapped[str]
    record_id: Mapped[int | None]
    user_profile_id: Mapped[int | None]
    line_number: Mapped[int | None]
    status: Mapped[str]
    reason_code: Mapped[str | None]
    fields: Mapped[str | None]
    acknowledgement_key: Mapped[str | None]
    reconciled_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]


class Resolution(Base):
    """One row a time that a person has closed an item of manual reconciliation.

    It closes what was known then; a status that came up later is open again.
    """

    __tablename__ = "resolutions"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="resolutions_by_id"),
        Index("resolutions_by_partition", "partition_date", "kind"),
    )

    id: Mapped[int] = mapped_column(autoincrement=True)
    partition_date: Mapped[date]
    kind: Mapped[str]
    user_profile_id: Mapped[int]
    resolved_at: Mapped[datetime]
    resolved_by: Mapped[str]
    note: Mapped[str]


class ContactLookup(Base):
    """One row a time that a person looked up how a veteran can be reached."""

    __tablename__ = "contact_lookups"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_profile_id: Mapped[int]
    looked_up_by: Mapped[str]
    looked_up_at: Mapped[datetime]
    reason: Mapped[str]


class Feed(Base):
    """One row a feed of BDN's as it came; its bytes lie in a snapshot."""

    __tablename__ = "feeds"

    feed_date: Mapped[date] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    snapshot_name: Mapped[str]
    line_count: Mapped[int]
    unreadable_count: Mapped[int]
    read_at: Mapped[datetime]


class Evidence(Base):
    """One row a record and feed that says something of it: beside its status, never instead of it.

    The newest feed's counts.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        ForeignKeyConstraint(["kind", "record_id"], ["claims.kind", "claims.record_id"]),
        CheckConstraint(
            "evidence IN ('confirmed_by_feed', 'contradicted_by_feed')", name="evidence"
        ),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(primary_key=True)
    feed_date: Mapped[date] = mapped_column(primary_key=True)
    evidence: Mapped[str]
    fields: Mapped[str | None]
    recorded_at: Mapped[datetime]


class ReasonCode(Base):
    """BDN's reason codes: data that analysts extend."""

    __tablename__ = "reason_codes"

    code: Mapped[str] = mapped_column(primary_key=True)
    meaning: Mapped[str]
    suggested_action: Mapped[str]
