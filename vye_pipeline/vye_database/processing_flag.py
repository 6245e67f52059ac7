"""Whether VYE's BDN processing is switched off: the feature flag disable_bdn_processing.

VYE's application keeps its feature flags in flipper_gates of the same database. With this one on,
its import and activation return at once, and no clone becomes export-ready any more.
"""

from __future__ import annotations

from sqlalchemy import Column, Engine, MetaData, Table, Text, inspect, select

from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database

FLAG = "disable_bdn_processing"
SWITCHED_OFF = f"BDN processing is switched off in VYE (feature flag {FLAG})"
SWITCH_ON = (
    f"ask VYE's team: either they switch {FLAG} off again, or BDN is retired: then set VYE_END_DATE"
)
GATES = Table(
    "flipper_gates",
    MetaData(),
    Column("feature_key", Text),
    Column("key", Text),
    Column("value", Text),
)


@retried
def is_switched_off(database: Database, engine: Engine) -> bool:
    """Says whether the flag is on for everybody; False where a copy has no such table.

    Raises:
        PipelineError: source: the table can't be read.
    """
    query = select(GATES.c.feature_key).where(
        GATES.c.feature_key == FLAG, GATES.c.key == "boolean", GATES.c.value == "true"
    )
    with database.errors(), engine.connect() as connection:
        if not inspect(connection).has_table(GATES.name):
            return False
        return connection.execute(query).first() is not None
