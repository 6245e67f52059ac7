"""How VYE's database is reached; it loads nothing that carries records."""

from __future__ import annotations

from vye_pipeline.errors import Cause
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database

NAME = "VYE's database"


def vye_database(settings: Settings) -> Database:
    """Returns VYE's database as the settings name it."""
    return Database(
        NAME, "VYE_DATABASE_URL", settings.vye_database_url, Cause.SOURCE, settings.allow_cleartext
    )


def vye_write_database(settings: Settings) -> Database | None:
    """Returns VYE's database with the credential that may change a flag, if there is one."""
    url = settings.vye_database_write_url
    if url is None:
        return None
    return Database(NAME, "VYE_DATABASE_WRITE_URL", url, Cause.SOURCE, settings.allow_cleartext)
