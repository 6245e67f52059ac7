"""The ledger's tables: what this pipeline remembers of each day, kind and record.

No column holds personal data (architecture.md, rule 7). Constraints and triggers, not care, keep a
record in one partition and a delivered file as it is (rule 5); the migrations make them, and the
indexes that queries go by.
"""

from __future__ import annotations

from vye_pipeline.ledger.models.answers import (
    ACKNOWLEDGEMENTS,
    EVIDENCE,
    FEEDS,
    IS_FIRST_LINE,
    IS_OPEN,
    ORPHANED_ACKNOWLEDGEMENTS,
    REASON_CODES,
    RECONCILIATIONS,
)
from vye_pipeline.ledger.models.clones import CLOSINGS, OWNERS, PARTITION_CLONES, RELEASES
from vye_pipeline.ledger.models.days import (
    CLAIMS,
    EXPIRIES,
    FAILURES,
    FILES,
    FINDINGS,
    HELD,
    LINE,
    QUARANTINED,
    REPLACED,
    SUPERSEDED,
)
from vye_pipeline.ledger.models.deliveries import (
    BEGUN,
    CONFIRMED,
    DELIVERIES,
    HAND_OVERS,
    REDELIVERIES,
    REFUSED,
    SUCCEEDED,
    TRIES,
    UNKNOWN,
    WITHDRAWN,
)
from vye_pipeline.ledger.models.metadata import METADATA, Identifier
from vye_pipeline.ledger.models.people import (
    ACCEPTED_GAPS,
    ACTIONS,
    CONTACT_LOOKUPS,
    DECISIONS,
    DISOWNED,
    HOLDS,
    RESOLUTIONS,
    WAS_DELIVERED,
    WAS_NOT_DELIVERED,
)

__all__ = [
    "ACCEPTED_GAPS",
    "ACKNOWLEDGEMENTS",
    "ACTIONS",
    "BEGUN",
    "CLAIMS",
    "CLOSINGS",
    "CONFIRMED",
    "CONTACT_LOOKUPS",
    "DECISIONS",
    "DELIVERIES",
    "DISOWNED",
    "EVIDENCE",
    "EXPIRIES",
    "FAILURES",
    "FEEDS",
    "FILES",
    "FINDINGS",
    "HAND_OVERS",
    "HELD",
    "HOLDS",
    "IS_FIRST_LINE",
    "IS_OPEN",
    "LINE",
    "METADATA",
    "ORPHANED_ACKNOWLEDGEMENTS",
    "OWNERS",
    "PARTITION_CLONES",
    "QUARANTINED",
    "REASON_CODES",
    "RECONCILIATIONS",
    "REDELIVERIES",
    "REFUSED",
    "RELEASES",
    "REPLACED",
    "RESOLUTIONS",
    "SUCCEEDED",
    "SUPERSEDED",
    "TRIES",
    "UNKNOWN",
    "WAS_DELIVERED",
    "WAS_NOT_DELIVERED",
    "WITHDRAWN",
    "Identifier",
]
