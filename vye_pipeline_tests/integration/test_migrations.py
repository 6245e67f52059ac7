"""A ledger of any earlier revision is brought to the newest, with all that is in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade as run_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Connection, Date, Integer, MetaData, Table, insert, select
from sqlalchemy import String as Text

from vye_pipeline.database import UtcDateTime
from vye_pipeline.ledger.ledger import open_ledger
from vye_pipeline.ledger.models import Base
from vye_pipeline.ledger.schema import MIGRATIONS, REVISION
from vye_pipeline.settings import Settings
from vye_pipeline.world import World

CONFIG = Config()
CONFIG.set_main_option("script_location", str(MIGRATIONS))
SCRIPTS = ScriptDirectory.from_config(CONFIG)
EARLIER = sorted(
    script.revision for script in SCRIPTS.walk_revisions() if script.revision != REVISION
)
CHOSEN = {
    "disposition": "line",
    "status": "acknowledged",
    "cause": "upload",
    "revision": 2,
}


def at_revision(settings: Settings, revision: str) -> World:
    settings.folder.mkdir(parents=True, exist_ok=True)
    world = World(settings)
    from vye_pipeline.ledger.ledger import Ledger, ledger_database

    engine = Ledger(ledger_database(settings)).engine
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        run_migrations(config, revision)
        fill(connection)
    engine.dispose()
    return world
