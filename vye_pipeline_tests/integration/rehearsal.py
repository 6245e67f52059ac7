"""A small pipeline to rehearse days in: sample tables, VYE's activation, an outage on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, text, true, update

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off
from vye_pipeline.context import Context
from vye_pipeline.egress import as_claimed, claim
from vye_pipeline.egress.clone_flags import look_at_clones, settle_clones
from vye_pipeline.egress.unclaimed import Source, unclaimed_records
from vye_pipeline.errors import PipelineError, Postponed
from vye_pipeline.reconciliation.reconcile import load_acknowledgements, receive, reconcile
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.reporting.calendar import Day, calendar
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.outage import Outage
from vye_pipeline.simulation.sample import generate, write_folder
from vye_pipeline.simulation.vye_application import activate_next_clone
from vye_pipeline.vye_database.column_cipher import seal_value
from vye_pipeline.vye_database.creation import create_identities, create_tables, import_folder
from vye_pipeline.vye_database.data_keys import DataKeys, WrappedKey
from vye_pipeline.vye_database.identity_table import identity_database
from vye_pipeline.vye_database.personal import KEY_COLUMN, PERSONAL, ciphertext

DAYS = tuple(FEDERAL_CALENDAR.business_days(date(2025, 4, 1), date(2025, 4, 4)))


@dataclass
class Rehearsal:
    """A pipeline with an outage in front of its object store."""

    pipeline: Context
    outage: Outage

    @classmethod
    def prepare(cls, settings: Settings, seed: int = 1) -> Rehearsal:
        """Makes the tables of four days with few users."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        folder = settings.folder / "tables"
        write_folder(generate(seed, DAYS, profiles=40, user_infos_a_clone=30), folder)
        load(settings, folder)
        return cls.open(settings)

    @classmethod
    def open(cls, settings: Settings) -> Rehearsal:
        """Opens a pipeline that was prepared before."""
        pipeline = Context(settings)
        outage = Outage(pipeline.objects)
        pipeline.__dict__["objects"] = outage
        return cls(pipeline, outage)

    def dawn(self, now: datetime | None = None) -> None:
        """Lets VYE activate its next clone, by default at the cut-off of the day it is for."""
        with self.pipeline.vye.engine().begin() as connection:
            active = connection.scalar(text("SELECT id FROM vye_bdn_clones WHERE is_active"))
            activate_next_clone(connection, now or cut_off(DAYS[active - 1]))

    def refuse(self, day: date, *kinds: Kind) -> None:
        """Lets the object store refuse a day's files, and no others."""
        self.outage.refused = frozenset(outbound_key(kind, day) for kind in kinds or KINDS)

    def refuse_nothing(self) -> None:
        """Lets the object store take everything again."""
        self.outage.refused = frozenset()

    def egress(self, day: date, *kinds: Kind, now: datetime | None = None) -> list[PipelineError]:
        """Runs the egress of a day as the job does, and returns what failed."""
        now = now or at(day, minutes=1)
        return [error for kind in kinds or KINDS for error in self._egress(day, kind, now)]

    def _egress(self, day: date, kind: Kind, now: datetime) -> list[PipelineError]:
        try:
            claim.take_export_ready(self.pipeline, day, kind, now)
            as_claimed.render_upload_file(self.pipeline, day, kind)
            as_claimed.deliver_upload_file(self.pipeline, day, kind, now)
        except Postponed as error:
            return [error]
        except PipelineError as error:
            self.pipeline.ledger.fail(day, kind, error, step="egress", run_id=None, failed_at=now)
            settle_clones(self.pipeline, now)
            return [error]
        return []

    def look_later(self) -> None:
        """Lets the daemon look at the clones when all days are over."""
        look_at_clones(self.pipeline, at(DAYS[-1], hours=12))

    def reconcile(self, day: date, kind: Kind, now: datetime) -> pd.DataFrame:
        """Reconciles a kind of a day at some time."""
        received = receive(self.pipeline, day, kind, now)
        known = load_acknowledgements(self.pipeline, day, kind, received.acknowledgements)
        return reconcile(self.pipeline, day, kind, known, now)

    def sent(self) -> dict[str, bytes]:
        """Returns every object that BDN was sent, by key."""
        return {stored.key: self.outage.get(stored.key) for stored in self.outage.list("outbound/")}

    def day(self, day: date, kind: Kind) -> Day:
        """Returns how a kind of a day stands."""
        with self.pipeline.ledger.transaction() as connection:
            rows = calendar(connection, [day])
        return next(row for row in rows if row.kind == kind.name)

    def lines(self) -> list[tuple[str, bytes]]:
        """Returns every line that BDN was sent, with its object's key."""
        return [
            (stored.key, line)
            for stored in self.outage.list("outbound/")
            for line in self.outage.get(stored.key).splitlines()
        ]

    def change(self, statement: str, **values: Any) -> None:
        """Changes VYE's database, as its application or an operator would."""
        with self.pipeline.vye.engine().begin() as connection:
            connection.execute(text(statement), values)

    def unclaimed(self, kind: Kind, *clone_ids: int) -> list[int]:
        """Returns the records of some clones that no partition has claimed."""
        source = Source.of(self.pipeline)
        return unclaimed_records(source, self.pipeline.ledger, kind, clone_ids)[
            "record_id"
        ].tolist()

    def correct(
        self, table: str, column: str, value: str | None, record_ids: Sequence[int] | None = None
    ) -> None:
        """Changes a personal column of some rows, or of all, in the shape that the database has."""
        shape = self.pipeline.vye_shape
        stored = shape.tables[table]
        mine = true() if record_ids is None else stored.c.id.in_(record_ids)
        if not value or not shape.is_encrypted:  # nothing is stored in the clear, and as it is
            name = ciphertext(column) if shape.is_encrypted else column
            with self.pipeline.vye.engine().begin() as connection:
                connection.execute(update(stored).where(mine).values({name: value}))
            return
        keys = DataKeys(self.pipeline.settings.column_kms_key_id)
        with self.pipeline.vye.engine().begin() as connection:
            for row_id, key in connection.execute(
                select(stored.c.id, stored.c[KEY_COLUMN]).where(mine)
            ).all():
                wrapped = WrappedKey(PERSONAL[table].model, row_id, key)
                opened = keys.open([wrapped])[wrapped]
                assert opened is not None
                sealed = {ciphertext(column): seal_value(AESGCM(opened), value)}
                connection.execute(update(stored).where(stored.c.id == row_id).values(sealed))

    def change_identities(self, statement: str) -> None:
        """Changes the identities, wherever they are."""
        url = self.pipeline.settings.identities_url
        database = identity_database(url) if url else self.pipeline.vye
        with database.engine().begin() as connection:
            connection.execute(text(statement))

    def flag(self, clone_id: int) -> bool | None:
        """Returns a clone's export_ready."""
        with self.pipeline.vye.engine().connect() as connection:
            flag = connection.scalar(
                text("SELECT export_ready FROM vye_bdn_clones WHERE id = :id"), {"id": clone_id}
            )
        return None if flag is None else bool(flag)


def at(day: date, **after: float) -> datetime:
    """Returns a time after a day's cut-off, in UTC."""
    return cut_off(day).astimezone(UTC) + timedelta(**after)


def load(settings: Settings, tables: Path) -> None:
    """Makes and fills VYE's database, in production's shape if settings name a column key."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    engine = Context(settings).vye.engine()
    create_tables(engine, encrypted=settings.column_kms_key_id is not None)
    if settings.identities_url is not None:
        create_identities(identity_database(settings.identities_url).engine())
    import_folder(engine, tables, settings)
