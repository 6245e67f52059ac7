"""Who set something going that the pipeline does by itself."""

from __future__ import annotations

from datetime import date, datetime

from vye_pipeline.ledger.connection import LedgerConnection, insert_once
from vye_pipeline.ledger.models import ACTIONS
from vye_pipeline.retries import retried


class ActionsMixin(LedgerConnection):
    """What people have set going."""

    @retried
    def record_action(
        self,
        action: str,
        *,
        actor: str,
        acted_at: datetime,
        partition_date: date | None = None,
        kind: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Records an action before it begins.

        Args:
            action: the command: egress, backfill.
            actor: who, by actor.py; on PostgreSQL the session's user is put beside it.
            acted_at: now.
            partition_date: of what it is about, None for several days.
            kind: the one that it is about, None for all.
            reason: why, where the command asks for it; no personal data.
        """
        with self.transaction() as connection:
            insert_once(
                connection,
                ACTIONS,
                action=action,
                actor=actor,
                acted_at=acted_at,
                partition_date=partition_date,
                kind=kind,
                reason=reason,
            )
