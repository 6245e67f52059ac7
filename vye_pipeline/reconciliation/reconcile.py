"""Reconciling a day: BDN's acknowledgements are kept, read, and compared with what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
)
from vye_pipeline.bdn.acknowledgement_text import MalformedAcknowledgement
from vye_pipeline.bdn.file_names import (
    acknowledgement_place,
    file_name,
    inbound_prefix,
)
from vye_pipeline.context import Context
from vye_pipeline.egress.deliver import upload_file_of
from vye_pipeline.ledger.models import LINE, REPLACED
from vye_pipeline.ledger.open_work import hours_behind
from vye_pipeline.reconciliation.diff import compare
from vye_pipeline.reconciliation.late import matched_by_number
from vye_pipeline.reconciliation.limits import acknowledgement_bytes
from vye_pipeline.reconciliation.remembered import remember_answer
from vye_pipeline.reconciliation.timeliness import judge
from vye_pipeline.records import Kind
from vye_pipeline.records.statuses import UNSENT, Status

NONE_RECEIVED: Mapping[str, Acknowledgement] = {}


@dataclass(frozen=True)
class Received:
    """The acknowledgements that lie in the object store for a partition's file.

    Attributes:
        acknowledgements: those that can be read and count, by the name of their snapshot.
        malformed: those that can't: refused whole, left where they are.
    """

    acknowledgements: dict[str, Acknowledgement]
    malformed: list[MalformedAcknowledgement]


def receive(context: Context, partition_date: date, kind: Kind, now: datetime) -> Received:
    """Keeps the raw bytes of each acknowledgement, then reads, judges and records it.

    None at all is a normal state. One that can't be read doesn't keep the others from being read.
    Those to a redelivery count as those to the file do. One to a file that BDN can't have had yet
    is left to be read when it can.
    """
    received = Received({}, [])
    newest_revision = context.ledger.revision(partition_date, kind)
    most = _most_bytes(context, partition_date, kind)
    for stored in context.objects.list(inbound_prefix(partition_date)):
        place = acknowledgement_place(kind, partition_date, stored.key)
        if place is None or place.revision > newest_revision:
            continue
        if stored.size > most:
            fault = f"it has {stored.size:,} bytes, its file allows {most:,}: it isn't read"
            received.malformed.append(MalformedAcknowledgement(stored.key, 1, fault))
            continue
        content = context.objects.get(stored.key)
        kept = context.snapshots.keep(f"{partition_date}/{kind.name}/acknowledgement", content)
        try:
            read = _parse(content, partition_date, kind, place.revision, stored.key)
        except MalformedAcknowledgement as error:
            received.malformed.append(error)
            continue
        first_try = context.ledger.first_try(partition_date, kind, place.revision)
        if first_try is None:
            continue
        judgement = judge(read.received_at, first_try, now)
        if judgement.ignored_because is None:
            received.acknowledgements[kept.name] = read
        context.ledger.record_acknowledgement(
            partition_date=partition_date,
            kind=kind.name,
            revision=place.revision,
            sequence=place.sequence,
            fingerprint=kept.fingerprint,
            object_key=stored.key,
            snapshot_name=kept.name,
            received_at=judgement.received_at,
            ignored_because=judgement.ignored_because,
            hours_early=judgement.hours_early,
            read_at=now,
            disposition=read.disposition.value,
            reason_code=read.reason_code,
            lines_received=read.lines_received,
            accepted_count=read.accepted_count,
            rejected_count=read.rejected_count,
        )
        remember_answer(context, partition_date, kind, place, kept.fingerprint)
    return received


def _most_bytes(context: Context, partition_date: date, kind: Kind) -> int:
    file = context.ledger.file(partition_date, kind)
    return acknowledgement_bytes(file.line_count or 0 if file else 0)


def load_acknowledgements(
    context: Context,
    partition_date: date,
    kind: Kind,
    received: Mapping[str, Acknowledgement] = NONE_RECEIVED,
) -> list[Acknowledgement]:
    """Returns the acknowledgements on record, from their snapshots.

    Of a file whose content has expired: those that have come since.

    Args:
        context: databases and stores.
        partition_date: of the file.
        kind: of its records.
        received: those that have just been read, which aren't read again (`Received`).
    """
    rows = context.ledger.acknowledgements(partition_date, kind)
    if context.ledger.state(partition_date, kind).expired_at:
        kept = context.snapshots.names(f"{partition_date}/{kind.name}/acknowledgement")
        rows = rows[rows["snapshot_name"].isin(kept)]
    return [
        received.get(name)
        or _parse(context.snapshots.get(name), partition_date, kind, revision, key)
        for key, revision, name in rows.itertuples(index=False)
    ]


def reconcile(
    context: Context,
    partition_date: date,
    kind: Kind,
    acknowledgements: list[Acknowledgement],
    now: datetime,
) -> pd.DataFrame:
    """Gives every record of a partition its one status and keeps that in the ledger.

    Args:
        context: databases and stores.
        partition_date: of the records.
        kind: of the records.
        acknowledgements: all on record for the file.
        now: with zone; it decides whether the deadline has passed.

    Returns:
        record_id, user_profile_id, line_number, status, reason_code, fields,
        acknowledgement_key: a row per record that was not replaced, and one per unexpected answer
        (record_id null).
    """
    state, claims = context.ledger.claimed(partition_date, kind)
    claims = claims[claims["disposition"] != REPLACED]
    receipt = state.receipt
    parts = [_unsent(context, partition_date, kind, claims, is_delivered=receipt is not None)]
    if receipt is not None and state.expired_at:
        parts = [matched_by_number(context.ledger.standing(partition_date, kind), acknowledgements)]
    elif receipt is not None:
        sent = upload_file_of(context, state)
        due_at = context.settings.calendar.deadline(partition_date, receipt.delivered_at)
        is_overdue = now > due_at and not _is_clock_wrong(context, partition_date)
        difference = compare(kind, sent, acknowledgements, is_overdue=is_overdue)
        lines = claims.loc[
            claims["disposition"] == LINE,
            ["record_id", "user_profile_id", "line_number"],
        ]
        lines = lines.astype({"line_number": "int64"})
        parts += [
            lines.merge(difference.lines, on="line_number", validate="one_to_one"),
            difference.unexpected.assign(status=str(Status.UNEXPECTED)),
        ]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.astype(dict.fromkeys(("record_id", "user_profile_id", "line_number"), "Int64"))
    context.ledger.reconcile(partition_date, kind, rows, now)
    return rows


def _is_clock_wrong(context: Context, partition_date: date) -> bool:
    """Says whether all that BDN has answered to a day is early: then nothing is missing yet."""
    hours = context.ledger.read(lambda connection: hours_behind(connection, partition_date))
    return hours is not None


def _parse(
    content: bytes, partition_date: date, kind: Kind, revision: int, key: str
) -> Acknowledgement:
    name = file_name(kind, partition_date, revision)
    return parse_acknowledgement(content, file_name=name, place=key)


def _unsent(
    context: Context,
    partition_date: date,
    kind: Kind,
    claims: pd.DataFrame,
    *,
    is_delivered: bool,
) -> pd.DataFrame:
    """Returns the rows of the records that are in no delivered file."""
    statuses = {str(status): status for status in UNSENT}
    if not is_delivered:
        statuses[LINE] = Status.UNDELIVERED
    rows = claims[claims["disposition"].isin(list(statuses))]
    faults = context.ledger.findings(partition_date, kind)
    faults = faults[faults["is_quarantining"]]
    reasons = faults.drop_duplicates("record_id").set_index("record_id")["code"]
    fields = faults.drop_duplicates(["record_id", "field"]).groupby("record_id")["field"]
    return rows[["record_id", "user_profile_id", "line_number"]].assign(
        status=rows["disposition"].map({key: str(value) for key, value in statuses.items()}),
        reason_code=rows["record_id"].map(reasons).astype("str"),
        fields=rows["record_id"].map(fields.agg(",".join)).astype("str"),
        acknowledgement_key=pd.Series(None, index=rows.index, dtype="str"),
    )
