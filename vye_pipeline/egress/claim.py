"""Which records a partition takes, and what becomes of each.

A snapshot is kept before the claim that names it, so that a crash between the two loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
import pyarrow as pa

from vye_pipeline.bdn.file_names import file_name, outbound_key
from vye_pipeline.columns.text import text_array
from vye_pipeline.context import Context
from vye_pipeline.egress.clone_flags import settle_clones
from vye_pipeline.egress.export import (
    KNOWN_COLUMNS,
    ExportReady,
    keep_records,
    kept_columns,
    load_export_ready,
    snapshot_records,
)
from vye_pipeline.egress.gap import refuse_gap
from vye_pipeline.egress.handed_over import refuse_while_handed_over
from vye_pipeline.egress.interrupted import finish_interrupted
from vye_pipeline.egress.membership import (
    ToRead,
    clones_to_read,
    record_closings,
    unattached_since,
)
from vye_pipeline.egress.released import released_records
from vye_pipeline.egress.size import refuse_too_large
from vye_pipeline.errors import PipelineError
from vye_pipeline.ledger.models import HELD, LINE, QUARANTINED, REPLACED
from vye_pipeline.ledger.rows import FileRow
from vye_pipeline.records import Kind
from vye_pipeline.records.checking import Checked, check
from vye_pipeline.vye_database.export_ready import (
    ID_COLUMNS,
    read_candidates,
)
from vye_pipeline.vye_database.opening import UNOPENED


def take_export_ready(
    context: Context, partition_date: date, kind: Kind, now: datetime
) -> ExportReady:
    """Claims a partition's records and returns them; of a delivered one, the same as then.

    Args:
        context: databases and stores.
        partition_date: a business day, at any time.
        kind: of the records.
        now: with zone.

    Raises:
        Postponed: the partition is closed.
        PipelineError: source: VYE's database can't be read, or has closed no clone for the
            partition; upload: its file is being handed over.
    """
    with context.ledger.exclusive(kind):
        file = context.ledger.file(partition_date, kind)
        if file is not None:
            finish_interrupted(context, kind, file, now)
        if context.ledger.receipt(partition_date, kind) is None:
            refuse_while_handed_over(context, kind, partition_date)
            export = _claim(context, partition_date, kind, file, now)
            refuse_gap(context, partition_date, kind)
            return export
    return load_export_ready(context, partition_date, kind)


@dataclass(frozen=True)
class Reading:
    """What a partition's records are now, before anything is claimed.

    Attributes:
        clones: the BDN clones that are the partition's.
        checked: its records, opened and checked. Personal.
        claims: what becomes of each.
        findings: what is recorded of them.
        released: ids of those that a delivered partition had held back until now.
    """

    clones: list[int]
    checked: Checked
    claims: pd.DataFrame
    findings: pd.DataFrame
    released: list[int]


def read_export_ready(
    context: Context, partition_date: date, kind: Kind, file: FileRow | None, to_read: ToRead
) -> Reading:
    """Reads the source and decides what becomes of each record; claims nothing.

    Args:
        context: databases and stores.
        partition_date: of the partition.
        kind: of the records.
        file: what the ledger knows of the partition's file.
        to_read: the clones to read.

    Raises:
        PipelineError: source: VYE's database, KMS or the identity source can't be asked.
    """
    since = unattached_since(context.settings, partition_date)
    candidates = read_candidates(
        context.vye, context.vye_engine, kind, to_read.clone_ids, context.vye_shape, since
    )
    candidates, taken = _without_cut(context, kind, candidates)
    taken = pd.concat(
        [context.ledger.claims_in_clones(kind, to_read.clone_ids), taken], ignore_index=True
    )
    released = released_records(context, partition_date, kind)
    released_ids = [record for one in released for record in one.records["record_id"].tolist()]
    taken = taken[~taken["record_id"].isin(released_ids)]
    before = [one.records for one in released]
    if (own := snapshot_records(context, file)) is not None:
        before.append(own)
    records = _eligible(candidates, taken, before, partition_date)
    earlier = pd.concat(
        [context.ledger.findings(partition_date, kind), *(one.findings for one in released)]
    )
    checked = _opened_and_checked(context, partition_date, kind, records, earlier)
    refuse_too_large(partition_date, kind, checked.records)
    claims = _dispositions(checked, context.ledger.held_profiles(kind))
    return Reading(
        sorted({*to_read.own, *claims["bdn_clone_id"].dropna().tolist()}),
        checked,
        claims,
        _with_earlier_normalisations(checked, claims, earlier),
        released_ids,
    )


def _claim(
    context: Context, partition_date: date, kind: Kind, file: FileRow | None, now: datetime
) -> ExportReady:
    """Reads the source, and claims all records."""
    record_closings(context, now)
    with suppress(PipelineError):  # each minute's look says so, and no day has to wait for it
        settle_clones(context, now)
    to_read = clones_to_read(context, partition_date, kind, now)
    reading = read_export_ready(context, partition_date, kind, file, to_read)
    checked, claims = reading.checked, reading.claims
    to_be_made = FileRow(
        partition_date,
        kind.name,
        file_name(kind, partition_date),
        outbound_key(kind, partition_date),
        keep_records(context, partition_date, kind, checked.records),
    )
    version, overtaken = context.ledger.claim(
        to_be_made,
        kind,
        clone_ids=reading.clones,
        claims=claims,
        findings=reading.findings,
        released=reading.released,
        claimed_at=now,
    )
    if overtaken:
        return load_export_ready(context, partition_date, kind)
    return ExportReady(
        checked.records[kept_columns(kind)],
        claims[KNOWN_COLUMNS],
        claims_version=version,
        is_frozen=False,
    )


def _opened_and_checked(
    context: Context,
    partition_date: date,
    kind: Kind,
    records: pd.DataFrame,
    earlier: pd.DataFrame,
) -> Checked:
    """Opens what is personal and checks it; what couldn't be opened before it vanished stays so."""
    opened = context.personal.open(partition_date, kind, records)
    vanished = records.loc[records["is_vanished"], "record_id"]
    stays = earlier["code"].isin(UNOPENED) & earlier["record_id"].isin(vanished)
    found = pd.concat([opened.findings, earlier[stays]], ignore_index=True)
    return check(kind, opened.records).with_findings(found)


def _without_cut(
    context: Context, kind: Kind, candidates: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leaves out what was claimed before VYE cut its reference: its snapshot is what counts.

    Returns:
        The candidates that remain; and the claims on those without a user_info: record_id,
        partition_date.
    """
    is_unattached = candidates["user_info_id"].isna()
    claims = context.ledger.claims_on(kind, candidates.loc[is_unattached, "record_id"])
    was_cut = candidates["record_id"].isin(claims.loc[claims["bdn_clone_id"].notna(), "record_id"])
    return candidates[~(is_unattached & was_cut)], claims.drop(columns="bdn_clone_id")


def _eligible(
    candidates: pd.DataFrame,
    taken: pd.DataFrame,
    before: Sequence[pd.DataFrame],
    partition_date: date,
) -> pd.DataFrame:
    """Returns the partition's records, each with is_newest and is_vanished, by user_info_id.

    Of a record that this partition has claimed, or gets from one that held it back, and that is
    gone at the source, the row of the snapshot is kept. A record that another partition has claimed
    still counts when it is decided which of a user_info's records is the newest.
    """
    elsewhere = taken["record_id"][taken["partition_date"] != partition_date.isoformat()]
    records = candidates.assign(is_vanished=False)
    for rows in before:
        gone = ~rows["record_id"].isin(records["record_id"])
        kept = rows[gone].assign(is_vanished=True)
        records = pd.concat([records, kept], ignore_index=True)
    if before:
        records = records.sort_values(
            ["user_info_id", "created_at", "record_id"], ascending=[True, False, False]
        )
    is_elsewhere = records["record_id"].isin(elsewhere)
    records = records.assign(is_newest=_is_newest(records))
    return records[~is_elsewhere]


def _is_newest(records: pd.DataFrame) -> pd.Series[bool]:
    """Says which records no newer one of the same user_info replaces.

    Nothing replaces what has no user_info, or no time that can be read: it is quarantined.
    """
    dated = records.loc[records["created_at"].notna(), "user_info_id"]
    is_replaced = dated.notna() & dated.duplicated()
    return ~is_replaced.reindex(records.index, fill_value=False)


def _dispositions(checked: Checked, held_profiles: Collection[int]) -> pd.DataFrame:
    """Decides what becomes of each record, and numbers the lines."""
    records = checked.records
    disposition = pd.Series(LINE, index=records.index, dtype="str")
    disposition[records["user_profile_id"].isin(held_profiles)] = HELD
    disposition[records["record_id"].isin(checked.quarantined_ids)] = QUARANTINED
    disposition[~records["is_newest"]] = REPLACED
    is_line = disposition == LINE
    columns = [*ID_COLUMNS, "is_vanished"]
    return records[columns].assign(
        transact_date=_dates(records),
        disposition=disposition,
        line_number=is_line.cumsum().where(is_line).astype("Int64"),
    )


def _dates(records: pd.DataFrame) -> pd.Series:
    """Returns transact_date of the kinds that have one, null elsewhere and where it is no date."""
    if "transact_date" not in records:
        return pd.Series(pd.NA, index=records.index, dtype=pd.ArrowDtype(pa.date32()))
    texts = text_array(records["transact_date"]).dictionary_encode()  # they are few days
    days = pd.to_datetime(texts.dictionary.to_pandas(), format="%Y-%m-%d", errors="coerce")
    dates = pa.array(days, pa.date32()).take(texts.indices)
    return pd.Series(dates, index=records.index, dtype=pd.ArrowDtype(pa.date32()))


def _with_earlier_normalisations(
    checked: Checked, claims: pd.DataFrame, earlier: pd.DataFrame
) -> pd.DataFrame:
    """Returns the findings of the newest records; of a vanished one also what was found then."""
    vanished = claims.loc[claims["is_vanished"], "record_id"]
    findings = pd.concat([checked.findings, earlier[earlier["record_id"].isin(vanished)]])
    replaced = claims.loc[claims["disposition"] == REPLACED, "record_id"]
    findings = findings[~findings["record_id"].isin(replaced)]
    return findings.drop_duplicates(["record_id", "field", "code"])
