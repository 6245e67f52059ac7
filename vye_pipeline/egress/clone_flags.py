"""Handing a BDN clone back to VYE (vye-database.md): the only writes to VYE's database.

null when everything of the clone is delivered, false after a failed delivery: either lets VYE
activate its next clone, where one left at true would jam it. The decision is made anew from the
ledger each time, so that it doesn't matter which run makes it, nor in which order days end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from vye_pipeline.egress.unclaimed import unclaimed_records
from vye_pipeline.records import KINDS
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database
from vye_pipeline.vye_database.export_ready import vye_write_database
from vye_pipeline.vye_database.tables import Base

if TYPE_CHECKING:
    from vye_pipeline.context import Context

CLONES = Base.metadata.tables["vye_bdn_clones"]


def settle_clones(context: Context) -> None:
    """Sets the flag of every clone that all kinds have read; without a write URL does nothing.

    A clone with a record that no partition has claimed keeps its flag, so that the record comes
    up again.

    Raises:
        PipelineError: source: the flag can't be read or written.
    """
    database = vye_write_database(context.settings)
    if database is None:
        return
    states = context.ledger.clone_states().set_index("bdn_clone_id")
    known = states.loc[states.index.intersection(_flagged(context))]
    read = known[known["kind_count"] == len(KINDS)]
    failed = read.index[read["failure_count"] > 0].tolist()
    done = [
        clone_id
        for clone_id in read.index[read["open_count"] == 0].tolist()
        if all(unclaimed_records(context, kind, [clone_id]).empty for kind in KINDS)
    ]
    if failed or done:
        _write(database, failed, done)


@retried
def _flagged(context: Context) -> list[int]:
    """Returns the ids of the clones that have not been handed back."""
    query = select(CLONES.c.id).where(CLONES.c.export_ready.is_not(None))
    with context.vye.errors(), context.vye_engine.connect() as connection:
        return list(connection.scalars(query))


@retried
def _write(database: Database, failed: list[int], done: list[int]) -> None:
    engine = database.engine()
    with database.errors(), engine.begin() as connection:
        _set_flag(connection, failed, is_failed=True)
        _set_flag(connection, done, is_failed=False)
    engine.dispose()


def _set_flag(connection: Connection, clone_ids: Iterable[int], *, is_failed: bool) -> None:
    """Writes false or null, in one conditional update each: never over what VYE made active."""
    connection.execute(
        update(CLONES)
        .where(
            CLONES.c.id.in_(list(clone_ids)),
            CLONES.c.is_active.is_(None),
            CLONES.c.export_ready.is_not(None),
        )
        .values(export_ready=False if is_failed else None)
    )
