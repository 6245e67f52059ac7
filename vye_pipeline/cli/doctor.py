"""Whether everything outside the process is as a run needs it; each thing with a remedy.

Nothing is changed: what has to be written to find out is rolled back, or is a probe of the
doctor's own that is removed again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import Connection, false, func, insert, select, text, true, update

from vye_pipeline.business_days import NEW_YORK, cut_off
from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.cli.personal_health import (
    examine_column_key,
    examine_identities,
    examine_processing,
)
from vye_pipeline.context import Context
from vye_pipeline.errors import PipelineError, UsageError
from vye_pipeline.ledger import schema
from vye_pipeline.ledger.clock import behind
from vye_pipeline.ledger.connection import ledger_database
from vye_pipeline.ledger.models import CONTACT_LOOKUPS
from vye_pipeline.settings import Settings
from vye_pipeline.storage.object_store import ANOTHER_STORE, BROKEN_PROMISE, PROBE, PROBES, probe
from vye_pipeline.vye_database.connection import vye_write_database
from vye_pipeline.vye_database.personal import IDENTITIES
from vye_pipeline.vye_database.tables import BdnClone

PREFIX = "VYE_"
CLOCK_SECONDS = 30

# A standby that has replayed all that it has received is as old as what it received last.
LAG = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END
"""

Examination = Callable[[], Finding]


def examine(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Looks at settings, databases and stores, one after the other.

    Args:
        settings: what to look at.
        now: with zone.

    Yields:
        A finding for each; none of them keeps the next from being looked at.
    """
    context = Context(settings)
    yield from _settings()
    yield _calendar(settings, now)
    yield examined("in transit", lambda: _in_transit(settings))
    yield examined("VYE's database", lambda: _vye_database(context))
    yield examined("column key", lambda: examine_column_key(context))
    yield examined("identities", lambda: examine_identities(context))
    yield examined("BDN processing", lambda: examine_processing(context))
    yield examined("clone's flag", lambda: _clone_flag(settings))
    yield examined("ledger", lambda: _ledger(settings))
    yield examined("clock", lambda: _clock(context))
    yield examined("object store", lambda: _object_store(context))
    yield examined("snapshots", lambda: _snapshots(context))
    yield examined("second memory", lambda: _second_memory(context, now))


def examined(subject: str, examination: Examination) -> Finding:
    """Returns a finding, whatever goes wrong while it is made."""
    try:
        return examination()
    except PipelineError as error:
        return Finding(subject, Health.BAD, error.what, error.next_step)
    except UsageError as error:
        return Finding(subject, Health.BAD, str(error), "set it and run vye doctor again")


def _settings() -> Iterator[Finding]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    there = {name for name in os.environ if name.startswith(PREFIX)}
    for name in sorted(there - known):
        words = f"{name} is no setting of this pipeline"
        yield Finding("settings", Health.WARNING, words, "look for a slip in its name, or unset it")
    for name in sorted(there & known):
        yield Finding("settings", Health.GOOD, f"{name} is set")
    words = f"{len(known - there)} have their defaults (docs/deployment.md)"
    yield Finding("settings", Health.GOOD, words)


def _calendar(settings: Settings, now: datetime) -> Finding:
    today = now.astimezone(NEW_YORK).date()
    if settings.end_date and today > settings.end_date:
        return Finding("calendar", Health.GOOD, f"BDN is retired since {settings.end_date}")
    calendar = settings.calendar
    next_day = calendar.business_days_after(today, 1)
    name = calendar.holiday_name(today)
    is_holiday = f"today is {name}; " if name else ""
    words = f"{is_holiday}the next cut-off after today is {cut_off(next_day):%Y-%m-%d %H:%M %Z}"
    ahead = [f"{day} closed, {reason}" for day, reason in calendar.closures.items() if day >= today]
    ahead += [f"{day} worked, though a holiday" for day in calendar.worked if day >= today]
    words = "; ".join([words, *(f"by VYE_CLOSURES {one}" for one in sorted(ahead))])
    return Finding("calendar", Health.GOOD, words)


def _in_transit(settings: Settings) -> Finding:
    """Says how the databases and stores are spoken to; the others' own findings say if they are."""
    if settings.allow_cleartext:
        words = "VYE_ALLOW_CLEARTEXT lets databases and stores be spoken to in the clear"
        remedy = "unset it, unless the network itself is encrypted"
        return Finding("in transit", Health.WARNING, words, remedy)
    words = "databases need verified TLS and SCRAM, stores https, except on this machine"
    return Finding("in transit", Health.GOOD, words)


def _vye_database(context: Context) -> Finding:
    newest = select(BdnClone.created_at).where(BdnClone.is_active == true())
    with context.vye.errors(), context.vye_engine.connect() as connection:
        for name, table in context.vye_shape.tables.items():
            if name != IDENTITIES or context.vye_shape.joins_identities:
                connection.execute(select(*table.columns).where(false()))
        imported_at = connection.scalar(newest)
        lag = replication_lag(connection)
    if lag is not None:
        return Finding(
            "VYE's database",
            Health.WARNING,
            f"every table can be read, on a standby that is {lag:.0f} s behind its primary",
            "what the primary has and the standby has not is sent a day later; "
            "VYE_DATABASE_URL may name the primary",
        )
    if imported_at is None:
        return Finding(
            "VYE's database", Health.WARNING, "no clone is active", "have VYE's import run"
        )
    words = (
        f"every table can be read; {context.vye_shape}; "
        f"the active clone is of {imported_at:%Y-%m-%d %H:%M} UTC"
    )
    return Finding("VYE's database", Health.GOOD, words)


def replication_lag(connection: Connection) -> float | None:
    """Returns by how many seconds a standby lags behind its primary, None for no standby."""
    if connection.dialect.name == "sqlite" or not connection.scalar(
        select(func.pg_is_in_recovery())
    ):
        return None
    lag = connection.scalar(text(LAG))
    return float(lag or 0)


def _clone_flag(settings: Settings) -> Finding:
    subject, database = "clone's flag", vye_write_database(settings)
    if database is None:
        return Finding(
            subject,
            Health.WARNING,
            "it is left alone: a failed day keeps VYE from activating its next clone",
            "set VYE_DATABASE_WRITE_URL (docs/deployment/grants.sql)",
        )
    change = update(BdnClone).where(false()).values(export_ready=BdnClone.export_ready)
    with database.errors(), database.engine().begin() as connection:
        connection.execute(change)
    return Finding(subject, Health.GOOD, "it may be changed")


def _ledger(settings: Settings) -> Finding:
    database = ledger_database(settings)
    with database.errors():
        engine = database.engine()
        if not schema.is_current(engine):
            return Finding(
                "ledger",
                Health.WARNING,
                f"its tables are not at revision {schema.REVISION}",
                "back it up, then vye status with the owner's VYE_LEDGER_URL brings them there; "
                "run docs/deployment/grants.sql, part 3, again",
            )
        with engine.connect() as connection:
            _try_insert(connection)
            connection.rollback()
    return Finding("ledger", Health.GOOD, f"it may be written, and is at {schema.REVISION}")


def _clock(context: Context) -> Finding:
    """Says how far this machine's clock is from those of the databases' servers."""
    seconds: dict[str, float] = {}
    for database in (ledger_database(context.settings), context.vye):
        with database.errors(), database.engine(is_read_only=True).connect() as connection:
            seconds[database.name] = behind(connection).total_seconds()
    name = max(seconds, key=lambda one: abs(seconds[one]))
    if abs(seconds[name]) <= CLOCK_SECONDS:
        words = f"this machine's is within {CLOCK_SECONDS} seconds of the databases'"
        return Finding("clock", Health.GOOD, words)
    which = "behind" if seconds[name] > 0 else "ahead of"
    words = (
        f"this machine's is {abs(seconds[name]):,.0f} seconds {which} that of {name}: runs go by "
        "the ledger's, the schedules by the machine's"
    )
    return Finding("clock", Health.WARNING, words, "set the clocks of all machines by NTP")


def _try_insert(connection: Connection) -> None:
    """Adds no row: the select that it is made from is empty."""
    columns = [column for column in CONTACT_LOOKUPS.c if not column.primary_key]
    nothing = select(*columns).where(false())
    connection.execute(insert(CONTACT_LOOKUPS).from_select(columns, nothing))


def _object_store(context: Context) -> Finding:
    promise = probe(context.objects)
    if not promise.is_kept:
        return Finding("object store", Health.BAD, BROKEN_PROMISE, ANOTHER_STORE)
    if not promise.is_readable:
        words = "what was put can't be read or listed"
        return Finding("object store", Health.BAD, words, "see docs/deployment/bucket-policy.json")
    words = "objects can be put once, read, listed and removed"
    return Finding("object store", Health.GOOD, words)


def _second_memory(context: Context, now: datetime) -> Finding:
    """Says whether ledger, store and snapshots know the same deliveries, as far as a put looks."""
    from vye_pipeline.egress.comparison import all_forgotten, is_anything_ours, unremembered

    database = ledger_database(context.settings)
    with database.errors():
        engine = database.engine()
        is_current, is_empty = schema.is_current(engine), schema.is_empty(engine)
    if not is_current:
        if is_empty and is_anything_ours(context):
            words = "there is no ledger, but files and records of its deliveries are there"
            remedy = "restore its backup; then, or without one, vye recover"
            return Finding("second memory", Health.BAD, words, remedy)
        return Finding("second memory", Health.GOOD, "there is nothing to compare yet")
    unknown = all_forgotten(context, now)
    if unknown:
        words = f"the ledger is older than the store: it doesn't know {', '.join(unknown[:5])}"
        return Finding("second memory", Health.BAD, words, "vye recover")
    missing = unremembered(context, now)
    if missing:
        words = f"{missing} deliveries are not remembered in the snapshots"
        return Finding("second memory", Health.WARNING, words, "vye recover")
    words = (
        "ledger, store and snapshots know the same deliveries of late; "
        "vye status --verify compares all"
    )
    return Finding("second memory", Health.GOOD, words)


def _snapshots(context: Context) -> Finding:
    name = f"{PROBES}{uuid.uuid4().hex}"
    context.snapshots.put(name, PROBE)
    try:
        is_same = context.snapshots.get(name) == PROBE
    finally:
        context.snapshots.delete(name)
    if not is_same:
        return Finding("snapshots", Health.BAD, "one came back altered", "look at the store")
    where = " under a key of KMS" if context.snapshots.is_under_kms else ""
    words = f"they can be written, opened and removed{where}"
    return Finding("snapshots", Health.GOOD, words)
