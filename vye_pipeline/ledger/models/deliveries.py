"""What BDN was sent: receipts, tries of puts, files sent again and handed over."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, ForeignKeyConstraint, String, Table

from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.ledger.rows import BY_HAND, PUT
from vye_pipeline.sql.engines import UtcDateTime

# How the try of a put ended.
SUCCEEDED = "succeeded"
REFUSED = "refused"
UNKNOWN = "unknown"

# The steps of a hand-over; the newest of a file holds.
BEGUN = "begun"
CONFIRMED = "confirmed"
WITHDRAWN = "withdrawn"

# One row per file that BDN was sent: the receipt. One that was put lies in the object store, read
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

# One row per file that BDN asked for again: the same bytes under its next revision.
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

# One row per try of a put, written before it begins; unknown until it is known how it ended.
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

# One row per step of a transfer outside the store, with the try that it counts as.
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
