"""What BDN has said, and each record's status by it."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    text,
)

from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.sql.engines import UtcDateTime

# One row per acknowledgement as it came; its bytes lie in a snapshot.
# Of several at the same place the one that was read last counts: `read_at`. One that was received
# before its file was put, or in the future, counts for nothing: decided once, at the first read.
ACKNOWLEDGEMENTS = Table(
    "acknowledgements",
    METADATA,
    Column("partition_date", Date, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("revision", Identifier, primary_key=True),
    Column("sequence", Identifier, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("object_key", String, nullable=False),
    Column("snapshot_name", String, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
    Column("disposition", String, nullable=False),
    Column("reason_code", String),
    Column("lines_received", Identifier, nullable=False),
    Column("accepted_count", Identifier, nullable=False),
    Column("rejected_count", Identifier, nullable=False),
    Column("ignored_because", String),
    Column("hours_early", Integer),
    CheckConstraint("ignored_because IN ('early', 'future')", name="ignored_because"),
    CheckConstraint(
        "(hours_early IS NOT NULL) = (COALESCE(ignored_because, '') = 'early')", name="hours_early"
    ),
)

# One row per acknowledgement that answers to nothing that was sent.
ORPHANED_ACKNOWLEDGEMENTS = Table(
    "orphaned_acknowledgements",
    METADATA,
    Column("object_key", String, primary_key=True),
    Column("partition_date", Date, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("snapshot_name", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# Word for word the conditions of indexes: with them a question about what is open, or about which
# files were reconciled at all, reads no history.
IS_OPEN = text("replaced_at IS NULL AND status NOT IN ('acknowledged', 'superseded')")
IS_FIRST_LINE = text("line_number = 1")

# One row per record, with its one status, and one for each unexpected line of BDN's.
# A row holds from `reconciled_at` until `replaced_at`; those without the latter hold now.
RECONCILIATIONS = Table(
    "reconciliations",
    METADATA,
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("record_id", Identifier),
    Column("user_profile_id", Identifier),
    Column("line_number", Identifier),
    Column("status", String, nullable=False),
    Column("reason_code", String),
    Column("fields", String),
    Column("acknowledgement_key", String),
    Column("reconciled_at", UtcDateTime, nullable=False),
    Column("replaced_at", UtcDateTime),
    CheckConstraint("(record_id IS NULL) = (status = 'unexpected')", name="unexpected"),
)

# One row per feed of BDN's as it came; its bytes lie in a snapshot.
FEEDS = Table(
    "feeds",
    METADATA,
    Column("feed_date", Date, primary_key=True),
    Column("fingerprint", String, primary_key=True),
    Column("snapshot_name", String, nullable=False),
    Column("line_count", Identifier, nullable=False),
    Column("unreadable_count", Identifier, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
)

# One row per record and feed that says something of it: beside its status, never instead of it.
# The newest feed's counts.
EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("record_id", Identifier, primary_key=True),
    Column("feed_date", Date, primary_key=True),
    Column("evidence", String, nullable=False),
    Column("fields", String),
    Column("recorded_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["kind", "record_id"], ["claims.kind", "claims.record_id"]),
    CheckConstraint("evidence IN ('confirmed_by_feed', 'contradicted_by_feed')", name="evidence"),
)

# BDN's reason codes: data that analysts extend.
REASON_CODES = Table(
    "reason_codes",
    METADATA,
    Column("code", String, primary_key=True),
    Column("meaning", String, nullable=False),
    Column("suggested_action", String, nullable=False),
)
