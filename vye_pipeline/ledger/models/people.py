"""What people have decided, closed, looked up and set going."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    String,
    Table,
)

from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.sql.engines import UtcDateTime

# What people decide (`vye recover`).
WAS_DELIVERED = "delivered"
WAS_NOT_DELIVERED = "not delivered"
DISOWNED = "disowned"

# One row each time a person has held a profile's records of a kind back, or released them: the
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

# One row per rule of a field of which somebody has accepted how many records it catches.
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

# One row each time a person has decided what the ledger and the stores can't tell.
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

# One row each time a person has closed an item of manual reconciliation.
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

# One row each time a person looked up how a veteran can be reached.
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

# One row each time a person has set going what the pipeline does by itself.
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
