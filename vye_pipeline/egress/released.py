"""Records that a delivered partition had held back, and that the next one to run may send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from vye_pipeline.context import Context
from vye_pipeline.egress.export import kept_records
from vye_pipeline.records import Kind


@dataclass(frozen=True)
class Released:
    """Some records as a partition that was delivered without them read them: VYE has deleted them.

    Attributes:
        records: columns of `kept_columns`. Personal.
        findings: what was found of them then.
    """

    records: pd.DataFrame
    findings: pd.DataFrame


def released_records(context: Context, partition_date: date, kind: Kind) -> list[Released]:
    """Returns what other partitions have held back and was released since, by partition.

    Raises:
        PipelineError: a snapshot is lost.
    """
    claims = context.ledger.released_claims(kind)
    claims = claims[claims["partition_date"] != partition_date.isoformat()]
    return [
        _released(context, date.fromisoformat(str(day)), kind, str(name), rows["record_id"])
        for (day, name), rows in claims.groupby(["partition_date", "snapshot_name"])
    ]


def _released(
    context: Context, day: date, kind: Kind, snapshot_name: str, record_ids: pd.Series[int]
) -> Released:
    records = kept_records(context, snapshot_name)
    findings = context.ledger.findings(day, kind)
    return Released(*(frame[frame["record_id"].isin(record_ids)] for frame in (records, findings)))
