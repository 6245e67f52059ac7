"""VYE's BDN clones: who closed them, which day owns them, who has read them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKeyConstraint, String, Table

from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.sql.engines import UtcDateTime

# One row per BDN clone that VYE has closed by activating the next one (vye-database.md).
CLOSINGS = Table(
    "closings",
    METADATA,
    Column("bdn_clone_id", Identifier, primary_key=True),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
)

# One row per closed clone and kind: the partition that owns it, null if none does.
OWNERS = Table(
    "owners",
    METADATA,
    Column("bdn_clone_id", Identifier, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("partition_date", Date),
    ForeignKeyConstraint(["bdn_clone_id"], ["closings.bdn_clone_id"]),
)

# One row per BDN clone that a partition and kind has read, with or without records in it: how many
# of its records the partition has claimed, and the sum of their ids.
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

# One row per write of a clone's flag in VYE's database: what it became, null too, and why.
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
