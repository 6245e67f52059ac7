"""What the columns of an asset mean, for its page in the UI, from the records' declarations."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from vye_pipeline.ledger.columns import PARTITION, RECORD, WORKLIST
from vye_pipeline.records import Kind

Schema = dict[str, dg.TableSchema]
COLUMN_SCHEMA = "dagster/column_schema"


def of_records(kind: Kind) -> Schema:
    """Returns the columns that are read of a kind, with their rules."""
    columns = [
        dg.TableColumn(
            column.name,
            "text, personal data" if column.is_sensitive else "text",
            description=f"{column.owner}.{column.name}",
            constraints=dg.TableColumnConstraints(
                nullable=not column.is_required, other=[rule.code for rule in kind.rules(column)]
            ),
        )
        for column in kind.columns
    ]
    return {COLUMN_SCHEMA: dg.TableSchema(columns)}


def of_lines(kind: Kind) -> Schema:
    """Returns the fields of a kind's lines, in order."""
    least = "" if kind.is_fixed_width else "at least "
    columns = [
        dg.TableColumn(
            written.name,
            f"{least}{written.width} characters" if written.width else "characters",
            description=f"made from {written.column}",
        )
        for written in kind.fields
    ]
    return {COLUMN_SCHEMA: dg.TableSchema(columns)}


def of_reconciliation() -> Schema:
    """Returns the columns of what became of each record."""
    return _schema(PARTITION | RECORD)


def of_worklist() -> Schema:
    """Returns the columns of a day's worklist."""
    return _schema({"partition_date": PARTITION["partition_date"]} | WORKLIST)


def _schema(columns: Mapping[str, str]) -> Schema:
    return {
        COLUMN_SCHEMA: dg.TableSchema(
            [dg.TableColumn(name, description=meaning) for name, meaning in columns.items()]
        )
    }
