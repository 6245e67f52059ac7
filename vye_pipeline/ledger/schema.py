"""Bringing a ledger to the newest revision, once: the first process to open it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from vye_pipeline.errors import defect
from vye_pipeline.storage.snapshots import SnapshotStore

HEAD = "head"
MIGRATIONS = Path(__file__).parent / "migrations"
# Migrations are numbered, and their files begin with the number.
REVISION = max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[:4]
UPGRADE_LOCK = 7_233_001
UPGRADE_SECONDS = 60


def is_current(engine: Engine) -> bool:
    """Says whether the ledger's tables are of this version of the pipeline.

    Raises:
        PipelineError: they are of a newer one, which this one must not write to.
    """
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found = connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
    if found > REVISION:
        raise defect(
            f"the ledger is at revision {found}, of a newer version of the pipeline than this "
            f"one, which knows {REVISION}",
            next_step="run the newer version, here too",
        )
    return bool(found == REVISION)


def is_empty(engine: Engine) -> bool:
    """Says whether a ledger was never made here."""
    with engine.connect() as connection:
        return not inspect(connection).has_table("alembic_version")


def upgrade(
    engine: Engine, open_snapshots: Callable[[], SnapshotStore], revision: str = HEAD
) -> None:
    """Runs the missing migrations in one transaction; a second process waits for the first.

    Args:
        engine: the ledger's.
        open_snapshots: opens those that its rows name; called only where rows have to be rewritten.
        revision: the one to arrive at.
    """
    from alembic import command  # only a ledger that is behind needs it
    from alembic.config import Config

    from vye_pipeline.ledger.guards import create_guards, drop_guards
    from vye_pipeline.ledger.rekeying import Rekeying
    from vye_pipeline.ledger.views import create_views, drop_views

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{UPGRADE_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})"))
        config.attributes["connection"] = connection
        config.attributes["rekeying"] = Rekeying(open_snapshots)
        drop_views(connection)
        drop_guards(connection)
        command.upgrade(config, revision)
        if revision == HEAD:
            create_views(connection)
            create_guards(connection)
