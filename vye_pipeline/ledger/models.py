"""The ledger's tables: what this pipeline remembers of each day, kind and record.

No column holds personal data (architecture.md, rule 7). Constraints and triggers, not care, keep a
record in one partition and a delivered file as it is (rule 5); the migrations make them, and the
indexes that queries go by.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from vye_pipeline.ledger.rows import BY_HAND, PUT
from vye_pipeline.sql.engines import UtcDateTime

Identifier = BigInteger().with_variant(Integer, "sqlite")

LINE = "line"
QUARANTINED = "quarantined"
REPLACED = "replaced"
SUPERSEDED = "superseded"
HELD = "held"

# How the try of a put ended.
SUCCEEDED = "succeeded"
REFUSED = "refused"
UNKNOWN = "unknown"

# The steps of a hand-over; the newest of a file holds.
BEGUN = "begun"
CONFIRMED = "confirmed"
WITHDRAWN = "withdrawn"

# What people decide (`vye recover`).
WAS_DELIVERED = "delivered"
WAS_NOT_DELIVERED = "not delivered"
DISOWNED = "disowned"

# All tables of the ledger.
METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "fk": "%(table_name)s_of_%(referred_table_name)s",
        "uq": "%(table_name)s_one_%(column_0_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

# One row a partition and kind that was read: the file that its records make.
# `claims_version` counts the changes of its claims: a file is that of the claims it is made of.
FILES = Table(
    "files",
    METADATA,
    Column("partition_date", Date, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("file_name", String, nullable=False),
    Column("object_key", String, nullable=False, unique=True),
    Column("snapshot_name", String, nullable=False),
    Column("first_claimed_at", UtcDateTime, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("claims_version", Identifier, nullable=False, server_default="1"),
    Column("fingerprint", String),
    Column("byte_count", Identifier),
    Column("line_count", Identifier),
)

# One row a record: the partition it belongs to, for good, and what became of it there.
# A record that points nowhere, or has no time that can be read, is quarantined: null.
CLAIMS = Table(
    "claims",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("record_id", Identifier, primary_key=True),
    Column("partition_date", Date, nullable=False),
    Column("user_info_id", Identifier),
    Column("user_profile_id", Identifier),
    Column("bdn_clone_id", Identifier),
    Column("created_at", UtcDateTime),
    Column("transact_date", Date),
    Column("disposition", String, nullable=False),
    Column("line_number", Identifier),
    Column("is_vanished", Boolean, nullable=False),
    # On PostgreSQL a trigger a statement stands for it: a check a row halves the speed.
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    CheckConstraint(
        f"disposition IN ('{LINE}', '{QUARANTINED}', '{REPLACED}', '{SUPERSEDED}', '{HELD}')",
        name="disposition",
    ),
    CheckConstraint(f"(disposition = '{LINE}') = (line_number IS NOT NULL)", name="line_number"),
)

# One row a fault or normalisation of a claimed record's field.
FINDINGS = Table(
    "findings",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("record_id", Identifier, primary_key=True),
    Column("field", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("is_quarantining", Boolean, nullable=False),
    ForeignKeyConstraint(
        ["kind", "record_id"],
        ["claims.kind", "claims.record_id"],
        ondelete="CASCADE",
    ),
)

# One row a time that a person has held a profile's records of a kind back, or released them: the
# newest of a profile and kind holds.
HOLDS = Table(
    "holds",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("user_profile_id", Identifier, nullable=False),
    Column("kind", String, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("database_user", String),
    Column("decided_at", UtcDateTime, nullable=False),
)

# One row a rule of a field of which somebody has accepted how many records it catches.
ACCEPTED_GAPS = Table(
    "accepted_gaps",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("field", String, nullable=False),
    Column("code", String, nullable=False),
    Column("record_count", Identifier, nullable=False),
    Column("accepted_by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
)

# One row a BDN clone that VYE has closed by activating the next one (vye-database.md).
CLOSINGS = Table(
    "closings",
    METADATA,
    Column("bdn_clone_id", Identifier, primary_key=True),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

# One row a closed clone and kind: the partition that owns it, null if none does.
OWNERS = Table(
    "owners",
    METADATA,
    Column("bdn_clone_id", Identifier, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("partition_date", Date),
    ForeignKeyConstraint(["bdn_clone_id"], ["closings.bdn_clone_id"]),
)

# One row a BDN clone that a partition and kind has read, with or without records in it: how many of
# its records the partition has claimed, and the sum of their ids.
PARTITION_CLONES = Table(
    "partition_clones",
    METADATA,
    Column("bdn_clone_id", Identifier, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("partition_date", Date, primary_key=True),
    Column("record_count", Identifier, nullable=False, server_default="0"),
    Column("record_id_sum", Identifier, nullable=False, server_default="0"),
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
)

# One row a write of a clone's flag in VYE's database: what it became, null too, and why.
RELEASES = Table(
    "releases",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("bdn_clone_id", Identifier, nullable=False),
    Column("export_ready", Boolean),
    Column("reason", String, nullable=False),
    Column("released_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["bdn_clone_id"], ["closings.bdn_clone_id"]),
)

# One row a file that BDN was sent: the receipt. One that was put lies in the object store, read
# back; of one that a person has handed over there is no object.
DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("partition_date", Date, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("object_key", String, nullable=False, unique=True),
    Column("fingerprint", String, nullable=False),
    Column("byte_count", Identifier, nullable=False),
    Column("line_count", Identifier, nullable=False),
    Column("delivered_at", UtcDateTime, nullable=False),
    Column("way", String, nullable=False, server_default=PUT),
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    CheckConstraint(f"way IN ('{PUT}', '{BY_HAND}')", name="way"),
)

# One row a file that BDN asked for again: the same bytes under its next revision.
REDELIVERIES = Table(
    "redeliveries",
    METADATA,
    Column("partition_date", Date, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("revision", Identifier, primary_key=True),
    Column("object_key", String, nullable=False, unique=True),
    Column("fingerprint", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("database_user", String),
    Column("reason", String, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("redelivered_at", UtcDateTime),
    ForeignKeyConstraint(
        ["partition_date", "kind"], ["deliveries.partition_date", "deliveries.kind"]
    ),
    CheckConstraint("revision >= 2", name="revision"),
)

# One row a try of a put, written before it begins; unknown until it is known how it ended.
TRIES = Table(
    "tries",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("revision", Identifier, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", String, nullable=False),
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    CheckConstraint(
        f"outcome IN ('{SUCCEEDED}', '{REFUSED}', '{UNKNOWN}')",
        name="outcome",
    ),
)

# One row a step of a transfer outside the store, with the try that it counts as.
HAND_OVERS = Table(
    "hand_overs",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("try_id", Identifier, nullable=False),
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("step", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("note", String),
    Column("done_by", String, nullable=False),
    Column("database_user", String),
    Column("done_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["try_id"], ["tries.id"]),
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    CheckConstraint(f"step IN ('{BEGUN}', '{CONFIRMED}', '{WITHDRAWN}')", name="step"),
    CheckConstraint(f"(step = '{BEGUN}') = (note IS NULL)", name="note"),
)

# One row a failed step: history that a later success does not remove.
FAILURES = Table(
    "failures",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("step", String, nullable=False),
    Column("failed_at", UtcDateTime, nullable=False),
    Column("run_id", String),
    Column("cause", String, nullable=False),
    Column("is_transient", Boolean, nullable=False),
    Column("what", String, nullable=False),
    Column("next_step", String, nullable=False),
    Column("record_count", Identifier, nullable=False),
    Column("profile_count", Identifier, nullable=False),
    CheckConstraint("cause IN ('upload', 'source', 'storage', 'ledger', 'defect')", name="cause"),
)

# One row a time that a person has decided what the ledger and the stores can't tell.
DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("decision", String, nullable=False),
    Column("object_key", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("database_user", String),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("reason", String, nullable=False),
    CheckConstraint(
        f"decision IN ('{WAS_DELIVERED}', '{WAS_NOT_DELIVERED}', '{DISOWNED}')",
        name="decision",
    ),
)

# One row an acknowledgement as it came; its bytes lie in a snapshot.
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

# One row an acknowledgement that answers to nothing that was sent.
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

# One row a record, with its one status, and one for each unexpected line of BDN's.
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

# One row a time that a person has closed an item of manual reconciliation.
# It closes what was known then; a status that came up later is open again.
RESOLUTIONS = Table(
    "resolutions",
    METADATA,
    Column("id", Identifier, autoincrement=True),
    Column("partition_date", Date, nullable=False),
    Column("kind", String, nullable=False),
    Column("user_profile_id", Identifier, nullable=False),
    Column("resolved_at", UtcDateTime, nullable=False),
    Column("resolved_by", String, nullable=False),
    Column("database_user", String),
    Column("note", String, nullable=False),
    PrimaryKeyConstraint("id", name="resolutions_by_id"),
)

# One row a time that a person looked up how a veteran can be reached.
CONTACT_LOOKUPS = Table(
    "contact_lookups",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("user_profile_id", Identifier, nullable=False),
    Column("looked_up_by", String, nullable=False),
    Column("database_user", String),
    Column("looked_up_at", UtcDateTime, nullable=False),
    Column("reason", String, nullable=False),
)

# One row a time that a person has set going what the pipeline does by itself.
ACTIONS = Table(
    "actions",
    METADATA,
    Column("id", Identifier, primary_key=True, autoincrement=True),
    Column("action", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("database_user", String),
    Column("acted_at", UtcDateTime, nullable=False),
    Column("partition_date", Date),
    Column("kind", String),
    Column("reason", String),
)

# One row a file whose content (snapshots, raw acknowledgements) has been removed for good.
EXPIRIES = Table(
    "expiries",
    METADATA,
    Column("partition_date", Date, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("expired_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["partition_date", "kind"], ["deliveries.partition_date", "deliveries.kind"]
    ),
)

# One row a feed of BDN's as it came; its bytes lie in a snapshot.
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

# One row a record and feed that says something of it: beside its status, never instead of it.
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
