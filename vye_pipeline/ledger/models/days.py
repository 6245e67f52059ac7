"""A day's files and records, and what became of their runs."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Date, ForeignKeyConstraint, String, Table

from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.sql.engines import UtcDateTime

LINE = "line"
QUARANTINED = "quarantined"
REPLACED = "replaced"
SUPERSEDED = "superseded"
HELD = "held"

# One row per partition and kind that was read: the file that its records make.
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

# One row per record: the partition it belongs to, for good, and what became of it there.
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
    # On PostgreSQL a trigger per statement stands for it: a check per row halves the speed.
    ForeignKeyConstraint(["partition_date", "kind"], ["files.partition_date", "files.kind"]),
    CheckConstraint(
        f"disposition IN ('{LINE}', '{QUARANTINED}', '{REPLACED}', '{SUPERSEDED}', '{HELD}')",
        name="disposition",
    ),
    CheckConstraint(f"(disposition = '{LINE}') = (line_number IS NOT NULL)", name="line_number"),
)

# One row per fault or normalisation of a claimed record's field.
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

# One row per failed step: history that a later success does not remove.
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

# One row per file whose content (snapshots, raw acknowledgements) has been removed for good.
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
