"""BDN's acknowledgements come back, and with them the statuses of records."""

from __future__ import annotations

from datetime import date, datetime

from vye_pipeline.context import Context
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS
from vye_pipeline.ledger.recovery import plain_rows
from vye_pipeline.reconciliation.reconcile import load_acknowledgements, reconcile
from vye_pipeline.reconciliation.remembered import remembered_answers
from vye_pipeline.records import Kind


def recall_answers(context: Context, kind: Kind, first: date, last: date, now: datetime) -> None:
    """Takes up the acknowledgements that the ledger doesn't know, and reconciles their days.

    Args:
        context: databases and stores.
        kind: of the records.
        first: the first partition.
        last: the last partition.
        now: with zone: from then on the statuses hold.
    """
    days = set()
    for rows in remembered_answers(context, kind, first, last):
        for row in plain_rows(rows[ACKNOWLEDGEMENTS.name]):
            if context.ledger.take_up_acknowledgement(row):
                days.add(row["partition_date"])
    for day in sorted(days):
        reconcile(context, day, kind, load_acknowledgements(context, day, kind), now)
