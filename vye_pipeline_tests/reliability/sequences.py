"""What may happen to a pipeline, in any order: days, outages, corrections, restores, gaps.

The sequence knows what it did; what must hold in the end is test_random_sequences.py's affair.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, timedelta

from sqlalchemy import Engine, func, insert, select, text

from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, outbound_key
from vye_pipeline.containment import contained
from vye_pipeline.egress import hand_over
from vye_pipeline.egress.gap import MANY
from vye_pipeline.egress.hold import hold
from vye_pipeline.egress.preview import COUNTED, preview
from vye_pipeline.errors import Cause, PipelineError, Postponed, UsageError
from vye_pipeline.records import ADDRESS_CHANGES, KINDS, Kind, kind_named
from vye_pipeline.recovery.recover import recover
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.reliability.worlds import Worlds

LATER = at(DAYS[-1], hours=1)
ADDRESS_CHANGES_AT_MOST = 1_000
LATE_IDS = 10_000_000
NARROWED = "vye_address_changes"


class Sequence:
    """A pipeline to which things happen, and the order in which its files were delivered."""

    def __init__(self, worlds: Worlds, settings: Settings, seed: int) -> None:
        """Takes a copy of a world, whose first day is ready; its first backup is of that moment."""
        self.worlds = worlds
        self.settings = settings
        self.rehearsal = Rehearsal.open(settings)
        self.random = random.Random(seed)
        self.dawned = 1
        self.delivered: list[tuple[date, str]] = []
        self.failed: set[tuple[date, str]] = set()
        self.late: set[int] = set()
        self.held: set[tuple[int, str]] = set()
        self.by_hand: dict[str, bytes] = {}
        self.happened: list[str] = []
        self.restores = self.decisions = 0
        worlds.back_up(settings)

    @property
    def dawned_days(self) -> tuple[date, ...]:
        """The days whose clone VYE has activated."""
        return DAYS[: self.dawned]

    def step(self) -> None:
        """Lets something happen."""
        events: list[Callable[[], None]] = [
            self.dawn, self.run, self.run, self.run, self.correct, self.commit_late,
            self.answer_early, self.gap, self.back_up, self.restore, self.hold, self.release,
            self.hand_over,
        ]  # fmt: skip
        if self.worlds.has_row_security:
            events.append(self.narrow)
        event = self.random.choice(events)
        self.happened.append(event.__name__)
        event()

    def dawn(self) -> None:
        """VYE activates its next clone, unless it is jammed."""
        active = [self.rehearsal.flag(clone) for clone in range(1, self.dawned + 1)]
        if self.dawned < len(DAYS) and True not in active:
            self.rehearsal.dawn()
            self.dawned += 1

    def run(self) -> None:
        """A day runs, while some uploads are refused."""
        day = self.some_day()
        kinds = [kind for kind in KINDS if self.random.random() < 0.4]
        self.rehearsal.outage.refused = frozenset(outbound_key(kind, day) for kind in kinds)
        self.egress(day)

    def correct(self) -> None:
        """Somebody corrects the source."""
        some = range(self.random.randrange(3), ADDRESS_CHANGES_AT_MOST, 3)
        self.rehearsal.correct("vye_address_changes", "address2", "Corrected", some)

    def commit_late(self) -> None:
        """A verification becomes visible long after it was created."""
        clone = self.random.randint(1, self.dawned)
        record_id = LATE_IDS + len(self.late)
        tables = self.rehearsal.pipeline.vye_shape.tables
        record, info = tables["vye_verifications"], tables["vye_user_infos"]
        columns = [column for column in record.c if column.name != "id"]
        of_the_clone = (
            select(func.min(record.c.id))
            .join(info, info.c.id == record.c.user_info_id)
            .where(info.c.bdn_clone_id == clone, record.c.id < LATE_IDS)
        )
        with self.engine.begin() as connection:
            original = connection.scalar(of_the_clone)
            copy = select(text(str(record_id)), *columns).where(record.c.id == original)
            connection.execute(insert(record).from_select(["id", *columns], copy))
        self.late.add(record_id)

    def answer_early(self) -> None:
        """BDN's answer to a file lies there before the file does, as in a parallel run."""
        day, kind = self.some_day(), self.random.choice(KINDS)
        if self.rehearsal.day(day, kind).delivery == "delivered":
            return
        received = f"{at(day, hours=-1).astimezone(UTC):%Y%m%d%H%M%S}"
        header = f"H{file_name(kind, day):<24.24}{received}{999:09}R    \n"
        self.rehearsal.outage.put(
            acknowledgement_key(kind, day), f"{header}T{999:09}{0:09}\n".encode()
        )

    def hold(self) -> None:
        """An operator holds somebody's records back."""
        if profiles := self.profiles():
            self.decide(self.random.choice(profiles), is_held=True)

    def release(self) -> None:
        """An operator lets all records go that are held back."""
        for profile, kind in sorted(self.held):
            self.decide(profile, kind, is_held=False)

    def decide(self, profile: int, kind: str | None = None, *, is_held: bool) -> None:
        """Holds back or releases; a restored ledger may say that there is nothing to decide."""
        self.decisions += 1
        now = LATER + timedelta(seconds=self.decisions)  # nobody decides twice at one moment
        for one in [kind_named(kind)] if kind else KINDS:
            with suppress(UsageError):
                hold(
                    self.rehearsal.pipeline,
                    profile,
                    [one],
                    is_held=is_held,
                    reason="in doubt" if is_held else "confirmed",
                    decided_by="operator",
                    now=now,
                )
            change = self.held.add if is_held else self.held.discard
            change((profile, one.name))

    def hand_over(self) -> None:
        """An operator carries a file to BDN, or takes it back; of a day that is sent it is none."""
        day, kind = self.some_day(), self.random.choice(KINDS)
        pipeline, folder = self.rehearsal.pipeline, self.settings.folder / f"{day}"
        with suppress(UsageError, PipelineError):
            written = hand_over.begin(
                pipeline, day, kind, folder, recipient=None, begun_by="operator", now=LATER
            )
            decide = self.random.choice((hand_over.confirm, hand_over.withdraw))
            decide(pipeline, day, kind, note="as it was", done_by="operator", now=LATER)
            if decide is hand_over.confirm:
                self.by_hand[outbound_key(kind, day)] = written.path.read_bytes()
                self.delivered.append((day, kind.name))

    def profiles(self) -> list[int]:
        """Returns the user profiles of the clones that VYE has activated."""
        query = text(
            "SELECT DISTINCT user_profile_id FROM vye_user_infos WHERE bdn_clone_id <= :dawned"
            " ORDER BY user_profile_id"
        )
        with self.engine.connect() as connection:
            return list(connection.scalars(query, {"dawned": self.dawned}))

    def gap(self) -> None:
        """A day runs while nobody's identity is known."""
        day = self.some_day()
        before = {kind: self.rehearsal.day(day, kind).delivery for kind in KINDS}
        self.rehearsal.change("UPDATE vye_user_profiles SET icn = 'X' || icn")
        self.egress(day)
        self.rehearsal.change("UPDATE vye_user_profiles SET icn = substr(icn, 2)")
        for kind in KINDS:
            if "delivered" in {before[kind], self.rehearsal.day(day, kind).delivery}:
                assert self.unknown_identities(day, kind) < MANY

    def narrow(self) -> None:
        """A day runs as a role that row-level security shows no address changes."""
        self.rehearsal.change(f"ALTER TABLE {NARROWED} ENABLE ROW LEVEL SECURITY")
        whole, self.rehearsal = self.rehearsal, Rehearsal.open(self.worlds.narrow(self.settings))
        day = self.some_day()
        was = self.rehearsal.day(day, ADDRESS_CHANGES).delivery
        errors = self.egress(day)
        if was not in {"delivered", "closed"}:
            assert {error.cause for error in errors} <= {Cause.SOURCE, Cause.LEDGER}
            assert self.rehearsal.day(day, ADDRESS_CHANGES).delivery != "delivered"
        self.rehearsal = whole
        self.rehearsal.change(f"ALTER TABLE {NARROWED} DISABLE ROW LEVEL SECURITY")

    def back_up(self) -> None:
        """Somebody backs the ledger up."""
        self.close()
        self.worlds.back_up(self.settings)

    def restore(self) -> None:
        """The ledger is restored; a day runs before anybody thinks of the recovery."""
        self.close()
        self.settings = self.worlds.restore(self.settings)
        self.rehearsal = Rehearsal.open(self.settings)
        self.restores += 1
        before = self.rehearsal.sent()
        self.run_unaware(self.some_day())
        after = self.rehearsal.sent()
        assert {key: after[key] for key in before} == before
        done = recover(self.rehearsal.pipeline, DAYS[0], DAYS[-1], LATER)
        assert done.left == []
        self.failed = {  # a failure since the backup that announced nothing is forgotten
            (day, kind.name)
            for day in self.dawned_days
            for kind in KINDS
            if (day, kind.name) in self.failed and self.rehearsal.day(day, kind).cause
        }

    def run_unaware(self, day: date) -> None:
        """Runs a day on a ledger that may have forgotten what it delivered."""
        for kind in KINDS:
            was_there = outbound_key(kind, day) in self.rehearsal.sent()
            failures = self.rehearsal.egress(day, kind, now=LATER)
            if any(not isinstance(failure, Postponed) for failure in failures):
                self.failed.add((day, kind.name))
            elif not was_there and outbound_key(kind, day) in self.rehearsal.sent():
                self.delivered.append((day, kind.name))

    def egress(self, day: date) -> list[PipelineError]:
        """Runs a day, looks at how the days stand after it, and returns what failed."""
        errors = [error for kind in KINDS for error in self.egress_of_kind(day, kind)]
        for other in self.dawned_days:
            for kind in KINDS:
                if (other, kind.name) in self.failed and (other, kind.name) not in self.delivered:
                    assert self.rehearsal.day(other, kind).delivery in {"failed", "closed"}
        return errors

    def egress_of_kind(self, day: date, kind: Kind) -> list[PipelineError]:
        """Runs a kind of a day; success means delivered, and nothing else does."""
        was = self.rehearsal.day(day, kind).delivery
        previewed, _ = contained(lambda: preview(self.rehearsal.pipeline, day, kind, LATER))
        failures = self.rehearsal.egress(day, kind, now=LATER)
        row = self.rehearsal.day(day, kind)
        if any(isinstance(failure, Postponed) for failure in failures):
            assert row.delivery == "closed"
            return []
        if failures:
            self.failed.add((day, kind.name))
            assert row.delivery == "failed"
        else:
            assert row.delivery == "delivered"
            if was != "delivered":
                assert previewed is not None
                assert previewed.counts == self.came_out(day, kind)
                self.delivered.append((day, kind.name))
        return failures

    def came_out(self, day: date, kind: Kind) -> dict[str, int]:
        """Counts a partition's records by what has become of them."""
        claims = self.rehearsal.pipeline.ledger.claimed(day, kind)[1]
        return {name: int((claims["disposition"] == name).sum()) for name in COUNTED}

    def heal(self) -> None:
        """The cause is gone; everything that is missing or failed runs, oldest first."""
        self.rehearsal.refuse_nothing()
        for day in self.dawned_days:
            assert self.egress(day) == []

    def some_day(self) -> date:
        """Chooses a day whose clone VYE has activated."""
        return self.random.choice(self.dawned_days)

    def unknown_identities(self, day: date, kind: Kind) -> int:
        """Counts the records of a partition that are held back for want of an identity."""
        findings = self.rehearsal.pipeline.ledger.findings(day, kind)
        return int((findings["field"] == "ssn").sum())

    @property
    def engine(self) -> Engine:
        """Of VYE's database, as its application uses it."""
        return self.rehearsal.pipeline.vye.engine()

    def close(self) -> None:
        """Lets go of the ledger, so that it is whole."""
        self.rehearsal.pipeline.ledger.engine.dispose()
