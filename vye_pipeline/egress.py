"""A day's way out: from what is export-ready at the source to a receipt for the file.

Three steps, each of which can be run again after a crash at any point with the same result:
`take_export_ready` claims, `make_upload_file` renders, `deliver` puts. The order of writes is what
makes that so: a snapshot before the claim that names it, the digest before the put, the receipt
after it. Where a process died between put and receipt, the next one finds the object with the
digest that the ledger expected, and writes the receipt (`_recover`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vye_pipeline.bdn.file_names import file_name, outbound_key
from vye_pipeline.business_days import cut_off
from vye_pipeline.errors import defect, source_error
from vye_pipeline.ledger.models import LINE, QUARANTINED, REPLACED
from vye_pipeline.ledger.rows import FileRow, Receipt
from vye_pipeline.records import Kind
from vye_pipeline.records.checking import Checked, check
from vye_pipeline.records.layout import render
from vye_pipeline.text import text_array
from vye_pipeline.vye_database.clone_flags import settle_clones
from vye_pipeline.vye_database.export_ready import (
    ID_COLUMNS,
    Candidates,
    read_candidates,
)
from vye_pipeline.world import World

KNOWN_COLUMNS = ["record_id", "user_profile_id", "disposition", "line_number", "is_vanished"]


@dataclass(frozen=True)
class ExportReady:
    """The records that a partition has claimed.

    Attributes:
        records: id columns and the kind's columns, normalised: a row a claimed record. Personal.
        claims: record_id, user_profile_id, disposition, line_number, is_vanished: the same rows.
        claims_version: of these claims (FileRow).
        is_frozen: whether the file was delivered before, so that nothing was read again.
    """

    records: pd.DataFrame
    claims: pd.DataFrame
    claims_version: int
    is_frozen: bool

    def count(self, disposition: str) -> int:
        """Counts the records of a disposition."""
        return int((self.claims["disposition"] == disposition).sum())


def take_export_ready(world: World, partition_date: date, kind: Kind, now: datetime) -> ExportReady:
    """Claims a partition's records and returns them; of a delivered one, the same as then.

    Args:
        world: databases and stores.
        partition_date: a business day whose cut-off has passed.
        kind: of the records.
        now: with zone.

    Raises:
        PipelineError: source: VYE's database can't be read, or neither it nor the ledger knows of
            records for the partition.
    """
    if now < cut_off(partition_date):
        raise source_error(
            f"{partition_date} is not over: its cut-off is {cut_off(partition_date):%H:%M %Z}",
            is_transient=True,
            next_step=f"after that, vye egress {partition_date}",
        )
    with world.ledger.exclusive(kind):
        file = world.ledger.file(partition_date, kind)
        if file is not None:
            _recover(world, kind, file, now)
        if world.ledger.receipt(partition_date, kind) is None:
            return _claim(world, partition_date, kind, file, now)
    return load_export_ready(world, partition_date, kind)


def load_export_ready(world: World, partition_date: date, kind: Kind) -> ExportReady:
    """Returns the records that a partition has claimed, from its snapshot.

    Raises:
        PipelineError: defect: the partition has claimed nothing, or its snapshot is lost.
    """
    file = world.ledger.file(partition_date, kind)
    if file is None:
        raise defect(
            f"{kind.name} of {partition_date} have not been read yet",
            next_step=_egress_command(partition_date, kind),
        )
    export = ExportReady(
        records=_from_parquet(world.snapshots.get(file.snapshot_name)),
        claims=world.ledger.claims(partition_date, kind),
        claims_version=file.claims_version,
        is_frozen=world.ledger.receipt(partition_date, kind) is not None,
    )
    after = world.ledger.file(partition_date, kind)
    if after is None or after.claims_version != file.claims_version:  # claimed again meanwhile
        return load_export_ready(world, partition_date, kind)
    return export


def make_upload_file(kind: Kind, export: ExportReady) -> bytes:
    """Renders the file of a partition: one line a record that is to be sent, by user_info_id."""
    lines = export.claims.loc[export.claims["disposition"] == LINE].sort_values("line_number")
    return render(kind, export.records.set_index("record_id").loc[lines["record_id"]])


def keep_upload_file(
    world: World, partition_date: date, kind: Kind, export: ExportReady, content: bytes
) -> str:
    """Stores a rendered file as a snapshot, announces its digest and returns it.

    A delivered file is not announced again.

    Args:
        world: databases and stores.
        partition_date: of the file.
        kind: of its records.
        export: the records that it was rendered from.
        content: the file.

    Raises:
        PipelineError: source: the records have changed since, and make another file now.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    if world.ledger.receipt(partition_date, kind) is None:
        world.snapshots.put(_upload_name(partition_date, kind, sha256), content)
        while not world.ledger.render(
            partition_date,
            kind,
            export.claims_version,
            sha256=sha256,
            byte_count=len(content),
            line_count=content.count(b"\n"),
        ):
            export = _read_again(world, partition_date, kind, content)
    return sha256


def _read_again(world: World, partition_date: date, kind: Kind, content: bytes) -> ExportReady:
    """Returns a partition's records as they are claimed now, if they still make the same file.

    Another run may have claimed the same records meanwhile. If it has claimed others, or a later
    day's delivery has overtaken some, then the file must not be sent.
    """
    export = load_export_ready(world, partition_date, kind)
    if make_upload_file(kind, export) != content:
        raise source_error(
            f"the {kind.name} of {partition_date} have changed since the file was rendered",
            is_transient=True,
            next_step=_egress_command(partition_date, kind),
        )
    return export


def load_upload_file(world: World, partition_date: date, kind: Kind) -> bytes:
    """Returns the bytes of a partition's file as they were rendered last.

    Raises:
        PipelineError: source: it is not rendered, or the records have changed since (a later day's
            delivery has overtaken some, or they were claimed again); defect: its snapshot is lost.
    """
    file = world.ledger.file(partition_date, kind)
    if file is None or file.sha256 is None:
        raise source_error(
            f"the {kind.name} of {partition_date} are not rendered, or have changed since",
            is_transient=False,
            next_step=_egress_command(partition_date, kind),
        )
    return world.snapshots.get(_upload_name(partition_date, kind, file.sha256))


def deliver(
    world: World, partition_date: date, kind: Kind, content: bytes, now: datetime
) -> Receipt:
    """Puts a partition's file, once, and returns the receipt; of a delivered one, the same again.

    Args:
        world: databases and stores.
        partition_date: of the file.
        kind: of its records.
        content: the file.
        now: with zone.

    Raises:
        PipelineError: upload: the object store refuses it, or holds other bytes under its key;
            source: the records have changed since the file was rendered.
    """
    with world.ledger.exclusive(kind):
        for rendered in world.ledger.rendered_files(kind):
            _recover(world, kind, rendered, now)
        receipt = world.ledger.receipt(partition_date, kind)
        if receipt is None:
            file = _file_to_deliver(world, partition_date, kind, content)
            world.objects.put_once(file.object_key, content)
            receipt = world.ledger.deliver(file, kind, now)
    settle_clones(world)
    return receipt


def _egress_command(partition_date: date, kind: Kind) -> str:
    return f"vye egress {partition_date} --kind {kind.name}"


def _recover(world: World, kind: Kind, file: FileRow, now: datetime) -> None:
    """Writes the receipt of a file that lies in the store as announced, and has none."""
    is_open = file.sha256 is not None and world.ledger.receipt(file.partition_date, kind) is None
    if is_open and world.objects.digest(file.object_key) == file.sha256:
        world.ledger.deliver(file, kind, now)


def _file_to_deliver(world: World, partition_date: date, kind: Kind, content: bytes) -> FileRow:
    """Returns the ledger's row of a file that is announced; if it isn't yet, announces it.

    What is announced is what the claims make: it is taken back where they change.
    """
    announced = world.ledger.file(partition_date, kind)
    if announced is not None and announced.sha256 == hashlib.sha256(content).hexdigest():
        return announced
    export = _read_again(world, partition_date, kind, content)
    keep_upload_file(world, partition_date, kind, export, content)
    return _file_to_deliver(world, partition_date, kind, content)


def _claim(
    world: World, partition_date: date, kind: Kind, file: FileRow | None, now: datetime
) -> ExportReady:
    """Reads the source, decides what becomes of each record, and claims them all."""
    clones = world.ledger.clones(partition_date, kind)
    candidates = read_candidates(world.vye, world.vye_engine, kind, partition_date, clones)
    if file is None and not candidates.clone_ids:
        raise source_error(
            f"no BDN clone is export-ready for {partition_date}: "
            "VYE's import or activation did not run",
            is_transient=True,
            next_step=f"have VYE's DawnDash jobs run, then vye egress {partition_date}",
        )
    taken = world.ledger.claims_in_clones(kind, [*clones, *candidates.clone_ids])
    before = _snapshot_records(world, file)
    records = _eligible(candidates, taken, before, partition_date)
    checked = check(kind, records)
    claims = _dispositions(checked)
    findings = _with_earlier_normalisations(world, partition_date, kind, checked, claims)
    to_be_made = FileRow(
        partition_date,
        kind.name,
        file_name(kind, partition_date),
        outbound_key(kind, partition_date),
        _keep_records(world, partition_date, kind, checked.records),
    )
    version, overtaken = world.ledger.claim(
        to_be_made,
        kind,
        clone_ids=_own_clones(clones, candidates, claims),
        claims=claims,
        findings=findings,
        claimed_at=now,
    )
    if overtaken:
        return load_export_ready(world, partition_date, kind)
    return ExportReady(
        checked.records[_kept_columns(kind)],
        claims[KNOWN_COLUMNS],
        claims_version=version,
        is_frozen=False,
    )


def _own_clones(known: list[int], candidates: Candidates, claims: pd.DataFrame) -> list[int]:
    """Returns the clones that are a partition's: whose flag depends on its delivery.

    A clone that gives it no record may be a later day's, and is its own only if it has no other.
    """
    own = sorted({*known, *claims["bdn_clone_id"].tolist()})
    return own or candidates.clone_ids


def _eligible(
    candidates: Candidates,
    taken: pd.DataFrame,
    before: pd.DataFrame | None,
    partition_date: date,
) -> pd.DataFrame:
    """Returns the partition's records, each with is_newest and is_vanished, by user_info_id.

    Of a record that this partition has claimed and that is gone at the source, the row of the
    snapshot is kept. A record that another partition has claimed still counts when it is decided
    which of a user_info's records is the newest.
    """
    here = taken["partition_date"] == partition_date.isoformat()
    claimed_here, elsewhere = taken["record_id"][here], taken["record_id"][~here]
    records = candidates.records.assign(is_vanished=False)
    if before is not None:
        gone = ~before["record_id"].isin(records["record_id"])
        kept = before[gone].assign(is_flagged=False, is_vanished=True)
        records = pd.concat([records, kept], ignore_index=True)
        records = records.sort_values(
            ["user_info_id", "created_at", "record_id"], ascending=[True, False, False]
        )
    is_elsewhere = records["record_id"].isin(elsewhere)
    is_eligible = records["record_id"].isin(claimed_here) | (records["is_flagged"] & ~is_elsewhere)
    records = records[is_eligible | is_elsewhere]
    records = records.assign(is_newest=~records["user_info_id"].duplicated())
    return records[is_eligible.loc[records.index]].drop(columns="is_flagged")


def _dispositions(checked: Checked) -> pd.DataFrame:
    """Decides what becomes of each record, and numbers the lines."""
    records = checked.records
    disposition = pd.Series(LINE, index=records.index, dtype="str")
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
    world: World,
    partition_date: date,
    kind: Kind,
    checked: Checked,
    claims: pd.DataFrame,
) -> pd.DataFrame:
    """Returns the findings of the newest records; of a vanished one also what was found then."""
    earlier = world.ledger.findings(partition_date, kind)
    vanished = claims.loc[claims["is_vanished"], "record_id"]
    findings = pd.concat([checked.findings, earlier[earlier["record_id"].isin(vanished)]])
    replaced = claims.loc[claims["disposition"] == REPLACED, "record_id"]
    findings = findings[~findings["record_id"].isin(replaced)]
    return findings.drop_duplicates(["record_id", "field", "code"])


def _keep_records(world: World, partition_date: date, kind: Kind, records: pd.DataFrame) -> str:
    """Stores a partition's records as a snapshot and returns its name."""
    content = _to_parquet(records[_kept_columns(kind)])
    name = f"{partition_date}/{kind.name}/export_ready-{hashlib.sha256(content).hexdigest()}"
    world.snapshots.put(name, content)
    return name


def _kept_columns(kind: Kind) -> list[str]:
    return [*ID_COLUMNS, *(column.name for column in kind.columns)]


def _snapshot_records(world: World, file: FileRow | None) -> pd.DataFrame | None:
    return None if file is None else _from_parquet(world.snapshots.get(file.snapshot_name))


def _upload_name(partition_date: date, kind: Kind, sha256: str) -> str:
    return f"{partition_date}/{kind.name}/upload_file-{sha256}"


def _to_parquet(records: pd.DataFrame) -> bytes:
    """Keeps ids as differences: they stand nearly in order, so that a tenth of the room will do."""
    buffer = BytesIO()
    pq.write_table(
        pa.Table.from_pandas(records, preserve_index=False),
        buffer,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
        column_encoding={
            name: "DELTA_BINARY_PACKED" for name in records if records[name].dtype == "int64"
        },
    )
    return buffer.getvalue()


def _from_parquet(content: bytes) -> pd.DataFrame:
    return pq.read_table(pa.BufferReader(content)).to_pandas()
