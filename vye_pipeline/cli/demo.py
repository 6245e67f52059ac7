"""The demo: ten business days with failures, what an operator sees of them, and the repair."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import click

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import cut_off
from vye_pipeline.cli.tables import (
    ALARMING,
    BOLD,
    DIM,
    GREEN,
    RED,
    show_affected,
    show_calendar,
    show_text,
)
from vye_pipeline.context import Context
from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.reporting.calendar import affected, calendar
from vye_pipeline.reporting.page.publish import publish
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.outage import Outage
from vye_pipeline.simulation.sample import SAMPLE_DAYS, SAMPLE_FOLDER
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.simulation.vye_application import activate_next_clone
from vye_pipeline.vye_database.creation import create_identities, create_tables, import_folder
from vye_pipeline.vye_database.identity_table import identity_database

MARK = "demo"
NAMES = [kind.name for kind in KINDS]
ROWS_SHOWN = 12


@dataclass(frozen=True)
class Plan:
    """What goes wrong on a day.

    Attributes:
        story: in words, for the reader.
        refused: the kinds whose upload fails.
        faults: of BDN's answer.
        late_by_days: when BDN answers the lines that it left open.
    """

    story: str
    refused: tuple[Kind, ...] = ()
    faults: Faults = field(default_factory=Faults)
    late_by_days: int = 0


PLANS = {
    date(2025, 4, 2): Plan("BDN rejects three lines", faults=Faults(reject=3)),
    date(2025, 4, 3): Plan("the uploads to S3 fail, all three", refused=KINDS),
    date(2025, 4, 4): Plan("BDN loses two lines", faults=Faults(drop=2)),
    date(2025, 4, 7): Plan("BDN misreads two lines", faults=Faults(garble=2)),
    date(2025, 4, 8): Plan("the upload of the direct deposit changes fails", refused=KINDS[1:2]),
    date(2025, 4, 9): Plan(
        "BDN answers four lines two days late", faults=Faults(late=4), late_by_days=2
    ),
    date(2025, 4, 10): Plan("BDN refuses the files", faults=Faults(refuse=True)),
}


def run_demo(settings: Settings, *, until_repair: bool = False) -> None:
    """Runs the sample days, shows what an operator would see, repairs them and shows that again.

    Args:
        settings: where the demo is made.
        until_repair: whether the failed days are left as they are.

    Raises:
        UsageError: the settings name a context that the demo must not overwrite.
    """
    context, outage = prepare(settings)
    time = Time()
    show_text(BOLD("Ten business days of April 2025") + ", a day's files at each cut-off")
    with Session(settings, context, Clock(lambda: time.now)) as session:
        run_days(session, outage, time)
        _head("How the days stand", " (vye status)")
        _show_calendar(context)
        _head("Who is affected", " (vye affected), the first of them")
        _show_affected(context)
        if not until_repair:
            _repair(session, outage, time)
    publish(context, SAMPLE_DAYS, time.now)
    _show_what_next(until_repair=until_repair)


def _repair(session: Session, outage: Outage, time: Time) -> None:
    """Takes the cause away, and sends what was held back."""
    context, before = session.pipeline, _objects(outage)
    outage.refused = frozenset()
    _head(
        "The bucket's policy is repaired.",
        " One command sends what was held back: vye backfill --failed",
    )
    for day, problems in session.backfill(SAMPLE_DAYS, only_failed=True):
        show_text(f"{day} {RED('failed') if problems else GREEN('delivered')}", "  ")
        answer_partition(outage, day, Faults(), received_at=time.now)
        session.reconcile(day, NAMES)
    _show_calendar(context)
    _show_nothing_sent_twice(context, before, _objects(outage))


def _show_what_next(*, until_repair: bool) -> None:
    if until_repair:
        _head("The cause is gone.", " vye backfill --failed sends what was held back.")
    else:
        _head(
            "make dev",
            " shows the same in the Dagster UI: under Runs the failed ones of 3 and 8 April, under "
            "each delivery the day that was red and is delivered now.",
        )
    show_text(
        BOLD("vye affected")
        + " lists whose records still need a person, and why; the analysts' page with all of it is "
        "report.html beside the ledger (vye report writes it anew)."
    )


def prepare(settings: Settings) -> tuple[Context, Outage]:
    """Makes the sample's context, and puts an outage in front of its object store.

    With VYE_COLUMN_KMS_KEY_ID it is in production's shape, its identities where VYE_IDENTITY_URL
    says.

    Raises:
        UsageError: the settings name a context that the demo must not overwrite.
    """
    _start_afresh(settings)
    context = Context(settings)
    outage = Outage(context.objects)
    context.__dict__["objects"] = outage
    encrypted = settings.column_kms_key_id is not None
    create_tables(context.vye.engine(), encrypted=encrypted)
    if encrypted and settings.identities_url is not None:
        create_identities(identity_database(settings.identities_url).engine())
    import_folder(context.vye.engine(), SAMPLE_FOLDER, settings)
    return context, outage


class Time:
    """The time of the rehearsal."""

    def __init__(self) -> None:
        """Begins now."""
        self.now = datetime.now(UTC)

    def set(self, day: date, *, after: timedelta) -> datetime:
        """Moves to some time after a day's cut-off."""
        self.now = cut_off(day).astimezone(UTC) + after
        return self.now


def _start_afresh(settings: Settings) -> None:
    """Empties the folder of an earlier demo; a folder with anything else in it is left alone."""
    elsewhere = (
        settings.database_url,
        settings.ledger_url,
        settings.object_store_url,
        settings.snapshot_url,
    )
    if any(elsewhere):
        raise UsageError(
            "the demo makes a context of its own: unset VYE_DATABASE_URL, VYE_LEDGER_URL, "
            "VYE_OBJECT_STORE_URL and VYE_SNAPSHOT_URL, and set VYE_LOCAL_DIR for another folder"
        )
    folder = settings.folder
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise UsageError(
            f"{folder} holds a context that is not the demo's: set VYE_LOCAL_DIR to another folder"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def run_days(session: Session, outage: Outage, time: Time) -> None:
    """Runs the sample days, each with what goes wrong on it, and prints how they end."""
    late: dict[date, date] = {}
    for number, day in enumerate(SAMPLE_DAYS):
        plan = PLANS.get(day, Plan("nothing goes wrong"))
        time.set(day, after=timedelta(seconds=5))
        _activate(session.pipeline, time.now)
        outage.refused = frozenset(outbound_key(kind, day) for kind in plan.refused)
        problems = session.egress(day, NAMES).problems
        received_at = time.set(day, after=timedelta(hours=3))
        delivered = len(plan.refused) < len(KINDS)
        if delivered:
            answer_partition(outage, day, plan.faults, received_at=received_at, seed=number)
        if plan.late_by_days:
            late[SAMPLE_DAYS[number + plan.late_by_days]] = day
        time.set(day, after=timedelta(hours=4))
        problems += session.reconcile(day, NAMES).problems
        if day in late:
            answer_partition(outage, late[day], Faults(), received_at=time.now)
            problems += session.reconcile(late[day], NAMES).problems
        show_text(f"{ALARMING('✗') if problems else GREEN('✓')} {day} {plan.story}", "  ")
        for problem in problems[:1]:
            show_text(DIM(problem), "      ")


def _activate(context: Context, now: datetime) -> None:
    with context.vye.engine().begin() as connection:
        activate_next_clone(connection, now)


def _head(bold: str, rest: str) -> None:
    """Prints what comes next, after an empty line."""
    click.echo()
    show_text(BOLD(bold) + rest)


def _show_calendar(context: Context) -> None:
    show_calendar(context.ledger.read(lambda connection: calendar(connection, SAMPLE_DAYS)))


def _show_affected(context: Context) -> None:
    items = context.ledger.read(lambda connection: affected(connection, SAMPLE_DAYS))
    show_affected(items, rows_shown=ROWS_SHOWN)


def _objects(outage: Outage) -> dict[str, bytes]:
    """Returns the bytes of every file that BDN was sent."""
    return {stored.key: outage.get(stored.key) for stored in outage.list("outbound/")}


def _show_nothing_sent_twice(
    context: Context, before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    """Compares what lies in the object store with what lay there before, and with the ledger."""
    unchanged = sum(after[key] == content for key, content in before.items())
    days = context.ledger.read(lambda connection: calendar(connection, SAMPLE_DAYS))
    fingerprints = {key: context.snapshots.fingerprint(content) for key, content in after.items()}
    agreeing = sum(fingerprints.get(day.object_key or "") == day.fingerprint for day in days)
    click.echo()
    show_text(
        f"{unchanged} of the {len(before)} files sent before are unchanged, "
        f"{len(after) - len(before)} were added; of {len(days)} deliveries in the ledger "
        f"{agreeing} agree with the object store. The ledger has each record in at most one file."
    )
