"""The table that stands in for the identity service, in a database of its own."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from itertools import islice

from sqlalchemy import Engine, select

from vye_pipeline.errors import Cause
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database
from vye_pipeline.sql.frames import GROUP_PARAMETERS
from vye_pipeline.vye_database.identities import UNKNOWN, Identity
from vye_pipeline.vye_database.personal import IDENTITIES
from vye_pipeline.vye_database.tables import Base


def identity_database(url: str, *, allow_cleartext: bool = False) -> Database:
    """Returns the database that VYE_IDENTITY_URL names."""
    name = "the identities' database"
    return Database(name, "VYE_IDENTITY_URL", url, Cause.SOURCE, allow_cleartext)


class IdentityTable:
    """Identities from mpi_identities."""

    def __init__(self, url: str, *, allow_cleartext: bool) -> None:
        """Takes the database's URL, and whether it may be reached without verified TLS."""
        self._database = identity_database(url, allow_cleartext=allow_cleartext)

    @retried
    def ask(self, icns: Collection[str]) -> dict[str, Identity]:
        """See IdentitySource."""
        table = Base.metadata.tables[IDENTITIES]
        answers = dict.fromkeys(icns, UNKNOWN)
        rest = iter(answers)
        with self._database.errors(), self._engine.connect() as connection:
            while group := list(islice(rest, GROUP_PARAMETERS)):
                query = select(table.c.icn, table.c.ssn).where(table.c.icn.in_(group))
                answers |= {
                    icn: Identity(ssn or "") for icn, ssn in connection.execute(query).all()
                }
        return answers

    @cached_property
    def _engine(self) -> Engine:
        return self._database.engine(is_read_only=True)
