"""The ledger's methods: each is one transaction that can be repeated after a crash.

It is the truth about what was sent (architecture.md, rule 5). A record is claimed by one partition
for good; until the partition's file is delivered its claims may be taken again from the source;
after that the database itself refuses any change.
"""

from __future__ import annotations

from vye_pipeline.ledger.actions import ActionsMixin
from vye_pipeline.ledger.answers import AnswersMixin
from vye_pipeline.ledger.claims import ClaimsMixin
from vye_pipeline.ledger.connection import open_as
from vye_pipeline.ledger.deliveries import DeliveriesMixin
from vye_pipeline.ledger.expiry import ExpiryMixin
from vye_pipeline.ledger.gaps import GapsMixin
from vye_pipeline.ledger.hand_overs import HandOversMixin
from vye_pipeline.ledger.holds import HoldsMixin
from vye_pipeline.ledger.membership import MembershipMixin
from vye_pipeline.ledger.recovery import RecoveryMixin
from vye_pipeline.ledger.second_memory import SecondMemoryMixin
from vye_pipeline.ledger.tries import TriesMixin
from vye_pipeline.settings import Settings


class Ledger(
    MembershipMixin,
    ClaimsMixin,
    GapsMixin,
    HoldsMixin,
    DeliveriesMixin,
    TriesMixin,
    HandOversMixin,
    SecondMemoryMixin,
    RecoveryMixin,
    AnswersMixin,
    ActionsMixin,
    ExpiryMixin,
):
    """What this pipeline remembers, by what is asked of it."""


def open_ledger(settings: Settings) -> Ledger:
    """Opens the ledger and brings its tables to this version.

    Raises:
        PipelineError: it can't be reached or written.
    """
    return open_as(Ledger, settings)
