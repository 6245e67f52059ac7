"""A ledger as an earlier version of the pipeline would have left it, with all that it knew."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, func, insert, select

from vye_pipeline.errors import Cause
from vye_pipeline.ledger.models import METADATA
from vye_pipeline.ledger.schema import upgrade
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database
from vye_pipeline.storage.snapshots import open_snapshots

# A receipt freezes what belongs to it, so it comes late; what refers to it comes after.
RANKS = {"deliveries": 1, "redeliveries": 2, "expiries": 2, "hand_overs": 2}
Rows = dict[str, list[dict[str, Any]]]


def take_back(settings: Settings, revision: str) -> None:
    """Makes the ledger anew as of an earlier revision, with the rows that it had tables for.

    Args:
        settings: of a pipeline that nobody has open.
        revision: one that has the columns of today's but for those that later ones added.
    """
    engine = engine_of(settings)
    with engine.connect() as connection:
        rows = contents(connection)
    with engine.begin() as connection:
        remove_all(connection)
    engine.dispose()
    engine = engine_of(settings)
    upgrade(engine, partial(open_snapshots, settings), revision)
    with engine.begin() as connection:
        for table in reflected(connection):
            fill(connection, table, rows.get(table.name, []))
    engine.dispose()


def engine_of(settings: Settings) -> Engine:
    """Returns the ledger's engine, whatever its revision is."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    url = settings.ledger_database_url
    return Database("the ledger", "VYE_LEDGER_URL", url, Cause.DEFECT).engine()


def reflected(connection: Connection) -> list[Table]:
    """Returns the ledger's tables as they are in the database, in an order to fill them."""
    tables = MetaData()
    tables.reflect(connection)
    known = [tables.tables[one.name] for one in METADATA.sorted_tables if one.name in tables]
    return sorted(known, key=lambda table: RANKS.get(table.name, 0))


def contents(connection: Connection) -> Rows:
    """Returns the rows of every table."""
    return {
        table.name: [dict(row._mapping) for row in connection.execute(select(table))]
        for table in reflected(connection)
    }


def fill(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Replaces what a migration has put into a table."""
    if rows:
        connection.execute(table.delete())
        connection.execute(
            insert(table),
            [{column.name: row[column.name] for column in table.columns} for row in rows],
        )
        count_on(connection, table)


def count_on(connection: Connection, table: Table) -> None:
    """Lets a server count ids on from those that were put into a table."""
    if connection.dialect.name == "postgresql":
        for column in table.primary_key:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            if connection.scalar(select(sequence)):
                connection.execute(select(func.setval(sequence, func.max(column))))


def remove_all(connection: Connection) -> None:
    """Removes all tables, views and triggers of the ledger."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        return
    everything = connection.exec_driver_sql(
        "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view', 'table')"
        " AND name NOT LIKE 'sqlite_%'"
    ).all()
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for what, name in sorted(
        everything, key=lambda one: ("trigger", "view", "table").index(one[0])
    ):
        connection.exec_driver_sql(f'DROP {what} "{name}"')
