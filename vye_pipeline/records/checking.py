"""Which records may be sent: normalises and checks a frame, reporting every fault of a record.

A record that breaks a rule is quarantined: left out of the file with its reasons, never sent
crooked (bdn-interface.md, part 1). What comes out carries record ids, fields and codes, no value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import pandas as pd
import pandera.pandas as pandera
from pandera.errors import SchemaErrors

from vye_pipeline.columns.parallel import halves, side_by_side
from vye_pipeline.columns.text import text_array, text_series
from vye_pipeline.records.kind import Column, Kind
from vye_pipeline.records.normalisation import normalise
from vye_pipeline.records.rules import PLACES, Rule

FINDING_TYPES = {"record_id": "int64", "field": "str", "code": "str", "is_quarantining": "bool"}


@dataclass(frozen=True)
class Checked:
    """The outcome of a check.

    Attributes:
        records: the frame that was given, its text normalised; same rows, same order.
        findings: record_id, field, code, is_quarantining: one row per fault or change.
    """

    records: pd.DataFrame
    findings: pd.DataFrame

    @property
    def quarantined_ids(self) -> pd.Series[int]:
        """The ids of the records that must not be sent, each once."""
        return self.findings.loc[self.findings["is_quarantining"], "record_id"].drop_duplicates()

    def with_findings(self, found: pd.DataFrame) -> Checked:
        """Adds what was found while the records were read; it says more of a field than a check."""
        place = ["record_id", "field"]
        faults = pd.MultiIndex.from_frame(found.loc[found["is_quarantining"], place])
        known = pd.MultiIndex.from_frame(self.findings[place]).isin(faults)
        kept = self.findings[~known] if len(faults) else self.findings
        return Checked(self.records, pd.concat([kept, found], ignore_index=True))


def check(kind: Kind, records: pd.DataFrame) -> Checked:
    """Normalises and checks records of one kind.

    Args:
        kind: their declaration.
        records: record_id (unique), the kind's columns as text without nulls, and any of
            PLACES, where null is a fault.
    """
    records = records.reset_index(drop=True)
    normalised, changes = _normalise(kind, records)
    findings = [_faults(kind, normalised), *_unplaced(records), *changes]
    return Checked(normalised, pd.concat(findings, ignore_index=True))


def no_findings() -> pd.DataFrame:
    """Returns an empty frame of findings with its types."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in FINDING_TYPES.items()})


def _unplaced(records: pd.DataFrame) -> list[pd.DataFrame]:
    """Finds what hangs from nothing, or was created at no time that can be read."""
    return [
        _findings(records.loc[records[place].isna(), "record_id"], place, code)
        for place, code in PLACES.items()
        if place in records
    ]


def _normalise(kind: Kind, records: pd.DataFrame) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    columns, changes = {}, [no_findings()]
    for column in kind.columns:
        values, found = normalise(text_array(records[column.name]), column.content, kind.separator)
        columns[column.name] = text_series(values)
        changes += [
            _findings(
                records["record_id"].iloc[change.rows],
                column.name,
                change.code,
                is_quarantining=False,
            )
            for change in found
        ]
    return records.assign(**columns), changes


def _faults(kind: Kind, records: pd.DataFrame) -> pd.DataFrame:
    """Finds all faults of all records."""
    parts = [records[part].reset_index(drop=True) for part in halves(len(records))]
    return pd.concat(side_by_side(partial(_faults_of, schema(kind)), parts), ignore_index=True)


def _faults_of(declared: pandera.DataFrameSchema, records: pd.DataFrame) -> pd.DataFrame:
    """Asks pandera for all faults at once and keeps of its report place and code, never a value."""
    try:
        declared.validate(records, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "index"]].drop_duplicates()
    else:
        return no_findings()
    return pd.DataFrame(
        {
            "record_id": records["record_id"].to_numpy()[cases["index"].to_numpy(dtype="int64")],
            "field": cases["column"].to_numpy(),
            "code": cases["check"].to_numpy(),
            "is_quarantining": True,
        }
    ).astype(FINDING_TYPES)


def _findings(
    record_ids: pd.Series[int], field: str, code: str, *, is_quarantining: bool = True
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "record_id": record_ids.to_numpy(),
            "field": field,
            "code": code,
            "is_quarantining": is_quarantining,
        }
    ).astype(FINDING_TYPES)


@cache
def schema(kind: Kind) -> pandera.DataFrameSchema:
    """Returns the pandera schema that follows from a kind's declaration."""
    return pandera.DataFrameSchema(
        {column.name: _schema_column(kind, column) for column in kind.columns}
    )


def _schema_column(kind: Kind, column: Column) -> pandera.Column:
    checks = [_pandera_check(rule) for rule in kind.rules(column)]
    return pandera.Column(str, checks=checks, nullable=False)


def _pandera_check(rule: Rule) -> pandera.Check:
    return pandera.Check(rule.holds, name=rule.code, error=rule.code)
