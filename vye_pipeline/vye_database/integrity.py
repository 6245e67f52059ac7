"""What rows that are loaded must be to each other: ids once, and every reference to a row.

VYE's own database declares no foreign keys; a copy for trying things out that points nowhere would
only show later, and not where it came from.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Table, select

from vye_pipeline.records import KINDS


class Integrity:
    """The values that rows have been told to have so far, in the database and in the files."""

    def __init__(self, connection: Connection) -> None:
        """Takes the connection on which what is there already is looked up when first needed."""
        self._connection = connection
        self._known: dict[str, set[Any]] = {}

    def fault(self, table: Table, row: dict[str, Any]) -> str | None:
        """Notes a row of a table and returns what is wrong with it; never a value."""
        for column in table.columns:
            value = row.get(column.name)
            if value is None:
                if not column.nullable:
                    return f"{column.name} is required"
                continue
            for key in column.foreign_keys:
                if value not in self._values(key.column):
                    return f"{column.name} points to no row of {key.column.table.name}"
            if column.primary_key or column.unique:
                known = self._values(column)
                if value in known:
                    return f"{column.name} is that of another row"
                known.add(value)
        return None

    def _values(self, column: Column[Any]) -> set[Any]:
        name = f"{column.table.name}.{column.name}"
        if name not in self._known:
            self._known[name] = set(self._connection.scalars(select(column)))
        return self._known[name]


def columns_read(table: Table) -> set[str]:
    """Returns the columns of a table without which no file can be made from it."""
    owners = {"user_info": "vye_user_infos", "identity": "mpi_identities"}
    read = {"vye_user_profiles": {"icn"}, "vye_bdn_clones": {"is_active", "export_ready"}}
    read["vye_user_infos"] = {"user_profile_id", "bdn_clone_id"}
    for kind in KINDS:
        of_kind = read.setdefault(kind.table, {"user_info_id"})
        if kind.origin is not None:
            of_kind.add("origin")
        for column in kind.columns:
            read.setdefault(owners.get(column.owner, kind.table), set()).add(column.name)
    return {column.name for column in table.columns if not column.nullable} | read[table.name]
