"""A file of which a line was overtaken is none any more, and the lines that are left have no gaps.

Until now such a file was still announced, and its other lines kept their numbers: one that was
rendered again from them had lines that the ledger knew by other numbers.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

IS_UNDELIVERED = (
    "NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.kind = {0}.kind"
    " AND deliveries.partition_date = {0}.partition_date)"
)


def upgrade() -> None:
    """Takes such files back, and numbers the lines of what is not delivered from 1."""
    op.execute(
        "UPDATE files SET sha256 = NULL, byte_count = NULL, line_count = NULL"  # noqa: S608 - no outside text
        " WHERE line_count <> (SELECT count(*) FROM claims WHERE claims.kind = files.kind"
        " AND claims.partition_date = files.partition_date AND claims.disposition = 'line')"
        f" AND {IS_UNDELIVERED.format('files')}"
    )
    op.execute(
        "UPDATE claims SET line_number = numbered.number FROM (SELECT kind, record_id,"  # noqa: S608 - no outside text
        " row_number() OVER (PARTITION BY kind, partition_date ORDER BY user_info_id, record_id)"
        " AS number FROM claims AS lines WHERE disposition = 'line'"
        f" AND {IS_UNDELIVERED.format('lines')}) AS numbered"
        " WHERE claims.kind = numbered.kind AND claims.record_id = numbered.record_id"
        " AND claims.line_number <> numbered.number"
    )
