"""A season that goes on for years: answers, closures, strays, schema changes, retention, upgrades.

VYE and the daemon do each day what they do in a season (reliability/seasons.py). What is added is
what only years bring. The oracle of the answers reads what BDN was sent and what it answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select, text

from vye_pipeline.bdn.acknowledgement import parse_acknowledgement
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, inbound_prefix, outbound_key
from vye_pipeline.business_days import cut_off
from vye_pipeline.egress.expire import expire
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.models import DELIVERIES, RECONCILIATIONS
from vye_pipeline.ledger.open_work import open_items, unsettled_days
from vye_pipeline.orchestration.arrivals import arrivals, days_that_can_change, listing_of
from vye_pipeline.reconciliation.orphans import find_orphans
from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.records.statuses import Status
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.decade.year import Year, measured
from vye_pipeline_tests.integration.earlier_ledgers import take_back
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.reliability.seasons import Season

FIRST = date(2016, 1, 4)  # a Monday
DAYS = 3653
RETENTION_DAYS = 400
# Days on which the government closed by order; 24 December 2019 and 2020 were.
CLOSURES = {date(2018, 12, 5): "Day of mourning", date(2019, 12, 24): "By order"}
ANNOUNCED_LATE = {date(2020, 12, 24): "By order"}  # the setting is changed that morning
UPGRADES = {date(2018, 6, 4): "0016", date(2022, 6, 6): "0020"}  # revisions of the ledger
AWAY_DAYS = 7  # the daemon is off once a year
OPEN_DAYS = 5  # until somebody sees to what is open
NEVER_SEEN_TO = 0.02
ANSWERED, NOT_ANSWERED = {str(Status.ACKNOWLEDGED), str(Status.REJECTED)}, str(Status.MISSING)
LATE, NO_FAULT = "lines that BDN answered late", "days that BDN answered as it should"
FAULTS = {
    NO_FAULT: Faults(),
    LATE: Faults(late=1),
    "lines that BDN rejected": Faults(reject=1),
    "lines that BDN lost": Faults(drop=1),
    "lines that BDN garbled": Faults(garble=1),
}


def settings_of(folder: Path, closures: Mapping[date, str]) -> Settings:
    """Returns the settings of a decade with some closures known."""
    known = ",".join(f"{day}={reason}" for day, reason in closures.items())
    return load_settings(local_dir=folder, start_date=FIRST, closures=known)


class Decade(Season):
    """Ten years of a pipeline, or fewer; `run` returns what went wrong, `years` what each took."""

    first = FIRST
    looks = (1, 241)
    closures: Mapping[date, str] = CLOSURES
    announced_late: Mapping[date, str] = ANNOUNCED_LATE
    upgrades: Mapping[date, str] = UPGRADES
    retention_days = RETENTION_DAYS
    trouble = 200  # the day of a year on which the week without the daemon begins
    until_schema_change = 30  # days after that

    def __init__(self, settings: Settings, seed: int, days: int) -> None:
        """Takes a prepared pipeline and how many days its years have."""
        super().__init__(settings, seed)
        self.days = days
        self.years: list[Year] = []
        self.happened: Counter[str] = Counter()
        self.took: dict[str, list[float]] = {"egress": [], "reconcile": []}
        self._closures = dict(self.closures)
        self._waits_for_an_answer: set[date] = set()
        self._seen: dict[str, str] = {}
        self._is_renamed = False

    def _plan(self, day: date, *, is_quiet: bool) -> None:
        super()._plan(day, is_quiet=is_quiet)
        dawn = cut_off(day).astimezone(UTC)

        def at(minutes: float, happen: Callable[[], None]) -> None:
            self._at(dawn + timedelta(minutes=minutes), happen)

        at(400, lambda: self._answer(day, is_quiet=is_quiet))
        at(405, lambda: self._reconcile(day))
        if day.weekday() == 4:
            at(500, self._see_to_what_is_open)
        if day.day == 1:
            at(600, self._expire)
        if not is_quiet and self.random.random() < 0.05:
            at(self.random.uniform(0, 1000), lambda: self._stray(day))
        if not is_quiet and (day - self.first).days % 365 == self.trouble:
            self._be_away(day)
            self._change_the_source(day)
        if day in self.announced_late:
            at(-60, self._announce_closures)
        if day in self.upgrades:
            at(700, lambda: self._upgrade(self.upgrades[day]))
        if (day + timedelta(days=1)).year != day.year or day == self._last_day:
            at(900, lambda: self._measure(day))

    @property
    def _last_day(self) -> date:
        return self.first + timedelta(days=self.days + self.quiet_days - 1)

    def _is_active_on(self, day: date) -> bool:
        closed = {*self.closures, *self.announced_late}
        is_business = self.pipeline.settings.calendar.is_business_day(day) and day not in closed
        return is_business or self.random.random() < 0.5

    def _be_away(self, day: date) -> None:
        """The daemon is off for days, also on those that would have begun otherwise."""
        self.happened["weeks without the daemon"] += 1
        for number in range(AWAY_DAYS):
            dawn = cut_off(day + timedelta(days=number)).astimezone(UTC)
            self._at(dawn - timedelta(minutes=344), self._stop)

    def _stop(self) -> None:
        self.is_down = True

    def _change_the_source(self, day: date) -> None:
        """Some days later VYE renames a column that is read, takes it back, and adds another."""
        dawn = cut_off(day + timedelta(days=self.until_schema_change)).astimezone(UTC)
        rename = "ALTER TABLE vye_user_infos RENAME COLUMN {} TO {}"
        for minutes, statement in (
            (-20, rename.format("stub_nm", "stub_name")),
            (300, rename.format("stub_name", "stub_nm")),
            (310, f"ALTER TABLE vye_user_infos ADD COLUMN added_{day.year} TEXT"),
        ):
            self._at(dawn + timedelta(minutes=minutes), partial(self._alter, statement))

    def _import(self, *, is_active: bool = False) -> None:
        if not self._is_renamed:
            super()._import(is_active=is_active)

    def _alter(self, statement: str) -> None:
        self._is_renamed = statement.endswith(" stub_name")
        self.happened["schema changes"] += 1
        with self._vye.begin() as connection:
            connection.execute(text(statement))

    def _apply(self, day: date, kind: Kind) -> None:
        super()._apply(day, kind)
        if self.rehearsal.outage.find(acknowledgement_key(kind, day)) is None:
            self._waits_for_an_answer.add(day)

    def _answer(self, day: date, *, is_quiet: bool) -> None:
        """BDN answers what it has, sometimes a day or two late, and not always as we wish."""
        store, random = self.rehearsal.outage, self.random
        for sent in sorted(self._waits_for_an_answer):
            if not is_quiet and random.random() < 0.1:
                continue
            words = NO_FAULT if is_quiet else random.choice((*FAULTS, *(NO_FAULT,) * 8))
            answer = partial(
                answer_partition, store, sent, received_at=self.now, seed=day.toordinal()
            )
            try:
                answer(FAULTS[words])
            except UsageError:  # it has no line that this could concern
                answer(Faults())
            else:
                self.happened[words] += 1
            if words != LATE:
                self._waits_for_an_answer.discard(sent)

    def _stray(self, day: date) -> None:
        """Something lies under inbound/ that answers to nothing."""
        self.happened["stray objects"] += 1
        saturday = day + timedelta(days=(5 - day.weekday()) % 7)
        key = self.random.choice(
            (
                f"{inbound_prefix(saturday)}notes.txt",
                f"{inbound_prefix(day)}{file_name(KINDS[0], day)}.filepart",
                f"{inbound_prefix(day)}{file_name(KINDS[1], day)}.ACK",
                f"inbound/archive/{day}.zip",
            )
        )
        self.rehearsal.outage.put(key, b"nothing of ours\n")

    def _reconcile(self, day: date) -> None:
        """What the sensor of arrivals and the daily schedule start."""
        if self.is_down:
            return
        lying = arrivals(
            listing_of(self.pipeline, days_that_can_change(self.pipeline, self.now)),
            self.pipeline.snapshots.fingerprint,
        )
        changed = {name for name, found in lying.items() if self._seen.get(name) != found}
        self._seen = lying
        unsettled = {str(one) for one in self.pipeline.ledger.read(unsettled_days)}
        business = self.pipeline.settings.calendar
        for name in sorted(changed | unsettled):
            one = date.fromisoformat(name)
            if not business.is_business_day(one):
                one = business.business_days_after(one, 1)
            if one <= day:
                with measured(self.took["reconcile"]):
                    for kind in KINDS:
                        self.rehearsal.reconcile(one, kind, self.now)
                find_orphans(self.pipeline, one, self.now)

    def _run(self, day: date, kind: Kind, *, is_put: bool) -> None:
        with measured(self.took["egress"]):
            super()._run(day, kind, is_put=is_put)

    def _see_to_what_is_open(self) -> None:
        """Somebody closes what has been open for a week, but for a few items."""
        until = self.now.date() - timedelta(days=OPEN_DAYS)
        days = {one.partition_date for one in self.pipeline.ledger.read(open_items)}
        items = self.pipeline.ledger.read(lambda one: affected(one, sorted(days)))
        closed = {
            (item.user_profile_id or 0, item.partition_date, item.kind)
            for item in items
            if item.is_open and item.partition_date < until
        }
        for profile, day, kind in sorted(closed):
            if self.random.random() >= NEVER_SEEN_TO:
                what = Resolution(profile, day, kind, "corrected at BDN")
                resolve(self.pipeline.ledger, [what], resolved_by="operator", now=self.now)
                self.happened["resolutions"] += 1

    def _expire(self) -> None:
        gone = expire(self.pipeline, self.retention_days, self.now, is_rehearsed=False)
        self.happened["snapshots that expired"] += len(gone.snapshots)

    def _announce_closures(self) -> None:
        """A closure is entered, and everything is started anew."""
        self.happened["closures entered on the day"] += 1
        self._closures |= self.announced_late
        self._open_anew(settings_of(self.pipeline.settings.folder, self._closures))

    def _upgrade(self, revision: str) -> None:
        """The ledger is as an earlier version left it, and this version takes it up."""
        self.happened["upgrades of the ledger"] += 1
        settings = self.pipeline.settings
        self.pipeline.ledger.engine.dispose()
        take_back(settings, revision)
        self._open_anew(settings)

    def _open_anew(self, settings: Settings) -> None:
        refused = self.rehearsal.outage.refused
        self.rehearsal = Rehearsal.open(settings)
        self.rehearsal.outage.refused = refused
        self.pipeline = self.rehearsal.pipeline

    def _measure(self, day: date) -> None:
        self._look_at_answers(day - timedelta(days=375), day - timedelta(days=10))
        self.years.append(Year.of(self.pipeline, day, self.now, self.took))
        for taken in self.took.values():
            taken.clear()

    def _look_at_answers(self, first: date, last: date) -> None:
        """Holds the statuses that lines have now against what BDN was sent and what it answered."""
        rows = RECONCILIATIONS.c
        query = (
            select(rows.partition_date, rows.kind, rows.line_number, rows.status)
            .where(rows.partition_date.between(first, last))
            .where(rows.replaced_at.is_(None), rows.line_number.is_not(None))
            .where(rows.status.in_([*ANSWERED, NOT_ANSWERED]))
        )
        answered: dict[tuple[date, str], set[int]] = {}
        for day, name, number, status in self.pipeline.ledger.read(
            lambda one: one.execute(query).all()
        ):
            if (day, name) not in answered:
                answered[day, name] = self._lines_answered(day, kind_named(name))
            if (number in answered[day, name]) != (status in ANSWERED):
                line = f"line {number} of the {name} of {day}"
                self.outcome.faults.append(f"{line} is {status}, against BDN's answer")

    def _lines_answered(self, day: date, kind: Kind) -> set[int]:
        """Returns the numbers of our lines that BDN has echoed; equal lines go by their number."""
        store = self.rehearsal.outage
        content = store.get(outbound_key(kind, day)).decode("latin-1")
        sent = [line.rstrip() for line in content.splitlines()]
        echoed: list[tuple[int, str]] = []
        for revision in (1, 2):
            key = acknowledgement_key(kind, day, revision)
            if store.find(key) is not None:
                answer = parse_acknowledgement(
                    store.get(key), file_name=file_name(kind, day), place=key
                )
                echoes = answer.details["echo"].str.rstrip()
                echoed += zip(answer.details["line_number"], echoes, strict=True)
        lines, answered = Counter(sent), Counter(line for _, line in echoed)
        return {
            number
            for number, line in enumerate(sent, start=1)
            if (number, line) in echoed or answered[line] >= lines[line]
        }

    def _look_at_the_end(self) -> None:
        super()._look_at_the_end()
        query = select(DELIVERIES.c.partition_date).distinct()
        days = self.pipeline.ledger.read(lambda one: list(one.scalars(query)))
        rows = self.pipeline.ledger.read(lambda one: calendar(one, days))
        self.outcome.faults += [
            f"{row.partition_date} {row.kind} is {row.delivery} in the end"
            for row in rows
            if row.delivery not in {"delivered", "closed"}
        ]
