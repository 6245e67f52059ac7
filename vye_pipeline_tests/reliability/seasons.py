"""Random seasons of VYE and the real pipeline, and what must hold in each of them.

Missed, early, late and repeated activations, days without files on which VYE activates all the
same, outages, submissions about the moment of an activation, clocks ahead, late commits, backfills
and evening deletions. The oracle knows what was submitted and what BDN was sent, and nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from sqlalchemy import Table, insert, select, update

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import cut_off
from vye_pipeline.context import Context
from vye_pipeline.egress import claim
from vye_pipeline.egress.clone_flags import look_at_clones
from vye_pipeline.egress.due import due_days
from vye_pipeline.errors import PipelineError, Postponed
from vye_pipeline.ledger.models import CLAIMS, CLOSINGS, DELIVERIES
from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.reporting.calendar import FAILED, MISSING, calendar
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.vye_application import activate_next_clone, remove_released_changes
from vye_pipeline.vye_database.creation import create_tables
from vye_pipeline.vye_database.tables import Base
from vye_pipeline_tests.integration.rehearsal import Rehearsal

FIRST = date(2025, 4, 1)  # a Tuesday
CLOSURE = date(2025, 4, 3)
CLOSURES = f"{CLOSURE}=Day of mourning"
SETTINGS: dict[str, Any] = {"closures": CLOSURES, "start_date": FIRST}
DAYS, QUIET_DAYS = 6, 4
PROFILES = 4
LOOKS = (1, 90, 241, 860)  # minutes after 05:45 New York
EVENING, RETRY = 800, -30
REFUSED_DAYS = 60
SHIFTS = (0, 0, 0, 1, 3, 20, 90, 300, -0.5, -20, -70)  # minutes after it at which VYE activates
VALUES: dict[str, dict[str, Any]] = {
    "verifications": {"transact_date": FIRST, "source_ind": "W"},
    "direct_deposit_changes": {
        "full_name": "Ada Alder", "phone": "5555550100", "email": "ada@example.com",
        "acct_no": "77000000000", "acct_type": "checking", "routing_no": "021000021",
        "bank_name": "Demo Federal", "bank_phone": "5555550101",
    },
    "address_changes": {
        "veteran_name": "Ada Alder", "address1": "1 Elm Crossing", "city": "Ashford",
        "state": "CO", "zip_code": "81000", "origin": "frontend",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Submitted:
    """A record that a veteran submitted."""

    kind: str
    record_id: int
    clone: int
    profile: int
    created_at: datetime


@dataclass
class Outcome:
    """What went wrong in a season; nothing may have."""

    faults: list[str] = field(default_factory=list)
    records: int = 0
    deliveries: int = 0
    refusals: int = 0


def prepare(settings: Settings, first: date = FIRST) -> None:
    """Makes VYE's tables with some profiles, a day before the first one, and the ledger's."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    pipeline = Context(settings)
    create_tables(pipeline.vye.engine())
    moment = cut_off(first) - timedelta(days=1)
    with pipeline.vye.engine().begin() as connection:
        for number in range(1, PROFILES + 1):
            icn = f"{number:010}V{number:06}"
            row = {"id": number, "icn": icn, **_stamps(moment)}
            connection.execute(insert(_table("vye_user_profiles")).values(row))
            ssn = f"{900_000_000 + number}"
            connection.execute(insert(_table("mpi_identities")).values(icn=icn, ssn=ssn))
    assert pipeline.ledger.closed_clones() == set()


class Season:
    """A pipeline and a VYE to which things happen, in the order of time.

    Attributes:
        first: the day on which it begins.
        days: how many days it lasts.
        quiet_days: how many days without new trouble follow, on which everything heals.
        looks: minutes after 05:45 New York at which the daemon looks.
    """

    first = FIRST
    days = DAYS
    quiet_days = QUIET_DAYS
    looks: tuple[int, ...] = LOOKS

    def __init__(self, settings: Settings, seed: int) -> None:
        """Takes a prepared pipeline; the same seed makes the same season."""
        self.rehearsal = Rehearsal.open(settings)
        self.pipeline = self.rehearsal.pipeline
        self.random = Random(seed)
        self.outcome = Outcome()
        self.now = cut_off(self.first) - timedelta(days=1)
        self.is_down = False
        self._vye = self.pipeline.vye.engine()
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._clones = 0
        self._closed: set[int] = set()
        self._submitted: dict[tuple[str, int], Submitted] = {}
        self._visible: set[tuple[str, int]] = set()
        self._applied: dict[tuple[str, int], tuple[datetime, datetime, int]] = {}
        self._delivered: set[tuple[date, str]] = set()
        self._activated: set[date] = set()

    def run(self) -> Outcome:
        """Lets everything happen, and looks at how it ends."""
        self._import(is_active=True)
        for number in range(self.days + self.quiet_days):
            self._plan(self.first + timedelta(days=number), is_quiet=number >= self.days)
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self._look_at_the_end()
        for engine in (self._vye, self.pipeline.vye_engine, self.pipeline.ledger.engine):
            engine.dispose()
        return self.outcome

    def _at(self, moment: datetime, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), happen))

    def _plan(self, day: date, *, is_quiet: bool) -> None:
        random, dawn = self.random, cut_off(day).astimezone(UTC)
        is_weekday = day.weekday() < 5
        shift = 0 if is_quiet else random.choice(SHIFTS)
        activated_at = dawn + timedelta(minutes=shift)
        if is_weekday and (is_quiet or random.random() > 0.05):
            self._at(dawn - timedelta(minutes=180), self._import)
        if is_weekday and (is_quiet or random.random() > 0.08) and self._is_active_on(day):
            self._at(activated_at, lambda: self._activate(day))
            self._at(activated_at + timedelta(hours=1), lambda: self._activate(day))
            if not is_quiet and random.random() < 0.1:
                self._at(activated_at + timedelta(minutes=100), self._import)
                self._at(activated_at + timedelta(minutes=110), lambda: self._activate(None))
        is_down, is_out = (not is_quiet and random.random() < share for share in (0.08, 0.15))
        self._at(
            dawn - timedelta(minutes=345), lambda: self._begin(day, is_down=is_down, is_out=is_out)
        )
        for minutes in self.looks:
            self._at(dawn + timedelta(minutes=minutes), self._look)
        self._at(activated_at + timedelta(minutes=2), self._look)
        self._at(dawn + timedelta(minutes=RETRY), lambda: self._retry(day, {FAILED}))
        self._at(dawn + timedelta(minutes=EVENING), self._evening)
        if not is_quiet:
            for _ in range(random.randrange(1, 4)):
                self._at(dawn + timedelta(minutes=random.uniform(0, 1000)), self._submit)
            for share, earliest, latest in ((0.5, -2, 0), (0.3, 0, 3)):
                if random.random() < share:
                    moment = activated_at + timedelta(minutes=random.uniform(earliest, latest))
                    self._at(moment, self._submit)
            if random.random() < 0.2:
                moment = dawn + timedelta(minutes=random.uniform(0, 1000))
                self._at(moment, lambda: self._retry(day, {FAILED, MISSING}))

    def _is_active_on(self, day: date) -> bool:
        return day != CLOSURE or self.random.random() < 0.7

    def _begin(self, day: date, *, is_down: bool, is_out: bool) -> None:
        """A day begins on which the pipeline is down, or the object store refuses everything."""
        self.is_down = is_down
        until_now = (day - timedelta(days=number) for number in range(REFUSED_DAYS))
        keys = (outbound_key(kind, one) for one in until_now for kind in KINDS)
        self.rehearsal.outage.refused = frozenset(keys) if is_out else frozenset()

    def _import(self, *, is_active: bool = False) -> None:
        self._clones += 1
        clone = self._clones
        with self._vye.begin() as connection:
            row = {"id": clone, "is_active": is_active, **_stamps(self.now)}
            connection.execute(insert(_table("vye_bdn_clones")).values(row))
            rows = [
                {
                    "id": clone * 100 + profile, "user_profile_id": profile, "bdn_clone_id": clone,
                    "stub_nm": "A ALDER", "rpo_code": 316, "indicator": "A",
                    "file_number": f"{profile:09}", **_stamps(self.now),
                }
                for profile in range(1, PROFILES + 1)
            ]  # fmt: skip
            connection.execute(insert(_table("vye_user_infos")), rows)

    def _activate(self, day: date | None) -> None:
        """VYE activates the newest clone that it has imported, and drops the others."""
        clones = _table("vye_bdn_clones")
        if day in self._activated:
            return
        is_fresh = clones.c.is_active.is_(False)
        with self._vye.connect() as connection:
            fresh = sorted(connection.scalars(select(clones.c.id).where(is_fresh)))
            active = connection.scalars(select(clones.c.id).where(clones.c.is_active)).one()
        if not fresh:
            return
        try:
            with self._vye.begin() as connection:
                dropped = update(clones).where(clones.c.id.in_(fresh[:-1]))
                connection.execute(dropped.values(is_active=None))
                activate_next_clone(connection, self.now)
        except PipelineError:
            self.outcome.refusals += 1
            self._blame_a_refusal()
        else:
            self._closed.add(active)
            if day is not None:
                self._activated.add(day)

    def _blame_a_refusal(self) -> None:
        clones = _table("vye_bdn_clones")
        with self._vye.connect() as connection:
            stuck = set(connection.scalars(select(clones.c.id).where(clones.c.export_ready)))
        if stuck & self.pipeline.ledger.closed_clones():
            self.outcome.faults.append("VYE was refused by a clone that the pipeline has seen")

    def _submit(self) -> None:
        clones = _table("vye_bdn_clones")
        with self._vye.connect() as connection:
            clone = connection.scalar(select(clones.c.id).where(clones.c.is_active))
        kind = self.random.choice(KINDS)
        record_id = len(self._submitted) + 1
        profile = self.random.randint(1, PROFILES)
        ahead = self.random.choice([0.05, 2, 30 * 1440]) if self.random.random() < 0.1 else 0
        created_at = self.now + timedelta(minutes=ahead)
        record = Submitted(kind.name, record_id, clone or 0, profile, created_at)
        self._submitted[record.kind, record.record_id] = record
        delay = self.random.uniform(0, 25) if self.random.random() < 0.15 else 0
        self._at(self.now + timedelta(minutes=delay), lambda: self._commit(kind, record))

    def _commit(self, kind: Kind, record: Submitted) -> None:
        row = {
            "id": record.record_id, "user_info_id": record.clone * 100 + record.profile,
            **VALUES[kind.name], **_stamps(record.created_at),
        }  # fmt: skip
        if kind.name == "verifications":
            row["user_profile_id"] = record.profile
        with self._vye.begin() as connection:
            connection.execute(insert(_table(kind.table)).values(row))
        self._visible.add((record.kind, record.record_id))

    def _look(self) -> None:
        """The daemon looks at the clones, and starts what is due."""
        if self.is_down:
            return
        look_at_clones(self.pipeline, self.now)
        for due in due_days(self.pipeline, self.now):
            for name in due.kinds:
                self._run(due.partition_date, kind_named(name), is_put=due.is_to_be_put)

    def _retry(self, day: date, states: set[str]) -> None:
        """What has failed, or never ran, is tried again: by the schedule, or by somebody."""
        if self.is_down:
            return
        calendar_days = self.pipeline.settings.calendar.business_days
        newest = self.pipeline.settings.calendar.latest_business_day(self.now)
        days = list(calendar_days(max(self.first, day - timedelta(days=14)), newest))
        known = self.pipeline.ledger.read(lambda connection: calendar(connection, days))
        for row in known:
            if row.delivery in states:
                self._run(row.partition_date, kind_named(row.kind), is_put=True)

    def _run(self, day: date, kind: Kind, *, is_put: bool) -> None:
        if is_put:
            errors = self.rehearsal.egress(day, kind, now=self.now)
        else:
            errors = self._claim(day, kind)
        row = self.rehearsal.day(day, kind)
        if not errors and is_put and row.delivery != "delivered":
            self.outcome.faults.append("a success that isn't one")
        if row.delivery == "delivered":
            self._apply(day, kind)

    def _claim(self, day: date, kind: Kind) -> list[PipelineError]:
        try:
            claim.take_export_ready(self.pipeline, day, kind, self.now)
        except Postponed:
            return []
        except PipelineError as error:
            return [error]
        return []

    def _apply(self, day: date, kind: Kind) -> None:
        """BDN applies a file that it hadn't seen: nothing newer may be overwritten."""
        if (day, kind.name) in self._delivered:
            return
        self._delivered.add((day, kind.name))
        self.outcome.deliveries += 1
        lines = self._claims(day, kind, "line")
        content = self.rehearsal.outage.get(outbound_key(kind, day))
        if content.count(b"\n") != len(lines):
            self.outcome.faults.append("a file of other lines than were claimed")
        if kind.is_dated:  # a verification doesn't overwrite one of another day
            return
        for record in (self._submitted[kind.name, one] for one in sorted(lines)):
            place = (kind.name, record.profile)
            stamp = (lines[record.record_id], record.created_at, record.record_id)
            if place in self._applied and stamp < self._applied[place]:
                self.outcome.faults.append("a newer change was overwritten by an older one")
            self._applied[place] = stamp

    def _claims(self, day: date, kind: Kind, disposition: str) -> dict[int, datetime]:
        """Returns the records of a partition, each with its clone's closing."""
        query = (
            select(CLAIMS.c.record_id, CLOSINGS.c.closed_at)
            .join(CLOSINGS, CLOSINGS.c.bdn_clone_id == CLAIMS.c.bdn_clone_id)
            .where(CLAIMS.c.partition_date == day, CLAIMS.c.kind == kind.name)
            .where(CLAIMS.c.disposition == disposition)
        )
        return self.pipeline.ledger.read(lambda one: dict(iter(one.execute(query))))

    def _evening(self) -> None:
        """VYE removes the changes of released clones; none may be unclaimed."""
        before = self._rows()
        with self._vye.begin() as connection:
            remove_released_changes(connection)
        gone = before - self._rows()
        if gone and gone - self._partitions().keys():
            self.outcome.faults.append("an unclaimed row was deleted")

    def _rows(self) -> set[tuple[str, int]]:
        with self._vye.connect() as connection:
            return {
                (kind.name, record_id)
                for kind in KINDS
                for record_id in connection.scalars(select(_table(kind.table).c.id))
            }

    def _partitions(self) -> dict[tuple[str, int], date]:
        """Returns the partition of each claimed record."""
        query = select(CLAIMS.c.kind, CLAIMS.c.record_id, CLAIMS.c.partition_date)
        rows = self.pipeline.ledger.read(lambda one: one.execute(query).all())
        return {(kind, record_id): day for kind, record_id, day in rows}

    def _look_at_the_end(self) -> None:
        partitions = self._partitions()
        query = select(DELIVERIES.c.partition_date, DELIVERIES.c.kind)
        delivered = {
            tuple(row) for row in self.pipeline.ledger.read(lambda one: one.execute(query).all())
        }
        for key, record in self._submitted.items():
            if record.clone not in self._closed or key not in self._visible:
                continue
            self.outcome.records += 1
            if key not in partitions:
                self.outcome.faults.append("never claimed")
            elif (partitions[key], record.kind) not in delivered:
                self.outcome.faults.append("claimed, never delivered")


def _stamps(moment: datetime) -> dict[str, datetime]:
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return {"created_at": naive, "updated_at": naive}


def _table(name: str) -> Table:
    return Base.metadata.tables[name]
