"""The ledger's verbs: each is one transaction, each can be repeated after a crash or a lost answer.

It is the truth about what was sent (architecture.md, rule 5). A record is claimed by one partition
for good; until the partition's file is delivered its claims may be taken again from the source;
after that the database itself refuses any change.
"""

from __future__ import annotations

from vye_pipeline.ledger.acting import ActingVerbs
from vye_pipeline.ledger.answering import AnsweringVerbs
from vye_pipeline.ledger.claiming import ClaimingVerbs
from vye_pipeline.ledger.connection import opened
from vye_pipeline.ledger.delivering import DeliveringVerbs
from vye_pipeline.ledger.expiring import ExpiringVerbs
from vye_pipeline.ledger.gaps import GapVerbs
from vye_pipeline.ledger.membership import MembershipVerbs
from vye_pipeline.ledger.recovering import RecoveringVerbs
from vye_pipeline.ledger.remembering import RememberingVerbs
from vye_pipeline.ledger.trying import TryingVerbs
from vye_pipeline.settings import Settings


class Ledger(
    MembershipVerbs,
    ClaimingVerbs,
    GapVerbs,
    DeliveringVerbs,
    TryingVerbs,
    RememberingVerbs,
    RecoveringVerbs,
    AnsweringVerbs,
    ActingVerbs,
    ExpiringVerbs,
):
    """What this pipeline remembers, by its verbs."""


def open_ledger(settings: Settings) -> Ledger:
    """Opens the ledger and brings its tables to this version.

    Raises:
        PipelineError: it can't be reached or written.
    """
    return opened(Ledger, settings)
