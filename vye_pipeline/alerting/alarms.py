"""What people are told unasked, in words; each piece of news once, and the end of it.

Alarms are derived each minute from what the ledger knows, no matter what ran. An
alarm's facts are its news: it is told when it holds one that was not told before, and cleared when
it is gone. Ids, counts and causes only: no personal data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TypedDict

from sqlalchemy import Connection

from vye_pipeline.alerting.alarm import Alarm
from vye_pipeline.alerting.answers import of_answers
from vye_pipeline.alerting.by_hand import of_hand_overs, of_holds
from vye_pipeline.alerting.fault_rates import of_fault_rates
from vye_pipeline.alerting.links import run_link, worklist_link
from vye_pipeline.alerting.notifier import Notifier
from vye_pipeline.alerting.open_items import of_open_items
from vye_pipeline.business_days import (
    NEW_YORK,
    BusinessCalendar,
    cut_off,
)
from vye_pipeline.containment import contained
from vye_pipeline.context import Context
from vye_pipeline.egress.processing import why_not_closed
from vye_pipeline.egress.unclaimed import find_unclaimed
from vye_pipeline.errors import Cause, PipelineError, failure_sentence
from vye_pipeline.ledger.open_work import (
    FailedFile,
    failed_files,
    last_delivered,
    undelivered_counts,
)
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings

LATE_AFTER = timedelta(hours=1)
SUBJECTS = (of_open_items, of_answers, of_fault_rates, of_hand_overs, of_holds)


class Notified(TypedDict):
    """What has been notified of a subject that is not over."""

    facts: list[str]
    all_clear: str | None


def notify(
    notifier: Notifier, alarms: Sequence[Alarm], notified: Mapping[str, Notified]
) -> dict[str, Notified]:
    """Notifies of what is new and what is over.

    Args:
        notifier: where to.
        alarms: all that hold now.
        notified: by subject, as this function returned it the last time.

    Returns:
        What has been notified by now; what could not be sent is not among it, and comes up again.
    """
    return notify_new(notifier, alarms, notified) | _notify_over(notifier, alarms, notified)


def notify_new(
    notifier: Notifier, alarms: Sequence[Alarm], notified: Mapping[str, Notified]
) -> dict[str, Notified]:
    """Notifies of what is new, and returns what has been notified of these alarms by now."""
    notified_now: dict[str, Notified] = {}
    for alarm in alarms:
        before = notified.get(alarm.subject)
        known = frozenset(before["facts"]) if before else frozenset()
        if alarm.facts <= known or _sent(notifier, alarm.text):
            facts = sorted(known | alarm.facts)
            notified_now[alarm.subject] = Notified(facts=facts, all_clear=alarm.all_clear)
        elif before:
            notified_now[alarm.subject] = before
    return notified_now


def _notify_over(
    notifier: Notifier, alarms: Sequence[Alarm], notified: Mapping[str, Notified]
) -> dict[str, Notified]:
    """Notifies of what is over, and returns those of which that could not be sent."""
    holding = {alarm.subject for alarm in alarms}
    over = {subject: before for subject, before in notified.items() if subject not in holding}
    return {
        subject: before
        for subject, before in over.items()
        if before["all_clear"] is not None and not _sent(notifier, before["all_clear"])
    }


def _sent(notifier: Notifier, text: str) -> bool:
    try:
        notifier.send(text)
    except PipelineError:
        return False
    return True


def alarms(context: Context, now: datetime, unseen: BaseException | None = None) -> list[Alarm]:
    """Returns all that people have to know.

    Args:
        context: databases.
        now: with zone.
        unseen: why the clones could not be looked at, None if they could.

    Raises:
        PipelineError: the ledger can't be read: `unreadable` says so.
    """
    failed, told = context.ledger.read(
        lambda connection: (
            [
                _failed(connection, context.settings, day, files, now)
                for day, files in _by_day(failed_files(connection))
            ],
            [
                alarm
                for of_a_subject in SUBJECTS
                for alarm in of_a_subject(connection, context.settings, now)
            ],
        )
    )
    return [
        *failed,
        *_late(context, now),
        *_unclaimed(context, now, unseen),
        *_unowned(context),
        *told,
        *_holiday(context.settings.calendar, now),
    ]


def unreadable(error: PipelineError) -> Alarm:
    """Returns the alarm that the pipeline can't look after itself."""
    return Alarm(
        "ledger",
        frozenset({error.what}),
        f"The pipeline can't read its ledger and so can't watch over the files for BDN: {error}. "
        "Nothing is lost; `vye doctor` says what is wrong.",
        "The ledger can be read again.",
    )


def _by_day(files: list[FailedFile]) -> Iterator[tuple[date, list[FailedFile]]]:
    for day, group in groupby(files, lambda file: file.partition_date):
        yield day, list(group)


def _failed(
    connection: Connection, settings: Settings, day: date, files: list[FailedFile], now: datetime
) -> Alarm:
    causes: dict[str, list[str]] = {}
    for file in files:
        causes.setdefault(failure_sentence(Cause(file.cause), file.what), []).append(file.kind)
    listed = "; ".join(f"{_and(kinds)}: {cause}" for cause, kinds in causes.items())
    next_steps = " and ".join(dict.fromkeys(file.next_step for file in files))
    text = (
        f"The egress of {day} failed for {listed}. "
        f"{_waiting(*undelivered_counts(connection, day))} {_by_itself(settings, day, now)} "
        f"To send it before or if that fails: {next_steps}; then type `vye backfill --failed`. "
        f"Who waits: `vye affected --date {day}` or {worklist_link(settings, day)}"
    )
    run_ids = [file.run_id for file in files if file.run_id]
    return Alarm(
        f"egress of {day}",
        frozenset(f"{file.kind} {file.what}" for file in files),
        f"{text} - run: {run_link(settings, run_ids[-1])}" if run_ids else text,
        f"All clear: the files of {day} are delivered.",
    )


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _waiting(records: int, profiles: int) -> str:
    if not records:
        return "No record of it has been read yet."
    return f"{records} records of {profiles} user profiles wait."


def _by_itself(settings: Settings, day: date, now: datetime) -> str:
    next_day = settings.calendar.business_days_after(now.astimezone(NEW_YORK).date(), 1)
    if day < settings.calendar.business_days_after(next_day, -settings.retry_business_days):
        return "It is too old to be tried again by itself."
    return f"By itself it is tried again at 05:15 New York on {next_day}."


def late_files(context: Context, now: datetime) -> list[tuple[date, str]]:
    """Returns day and kind of files that have not gone out, though no step has failed.

    A day that never ran is late until it is delivered, or a later day has taken up its records.

    Raises:
        PipelineError: the ledger can't be read.
    """
    delivered, failed = context.ledger.read(
        lambda connection: (
            last_delivered(connection),
            {(file.partition_date, file.kind) for file in failed_files(connection)},
        )
    )
    return [
        (day, kind.name)
        for day in _days_due(context.settings, now)
        for kind in KINDS
        if day > delivered.get(kind.name, date.min) and (day, kind.name) not in failed
    ]


def _late(context: Context, now: datetime) -> list[Alarm]:
    """Says that files have not gone out, though no step has failed."""
    late = sorted({day for day, _ in late_files(context, now)})
    if not late:
        return []
    newest, reason = late[-1], _why_late(context, late[-1])
    return [
        Alarm(
            "lateness",
            frozenset({*map(str, late), reason}),
            f"An hour after the cut-off of {newest} files for BDN are not delivered "
            f"({_and([str(day) for day in late])}): {reason}. They go out by themselves as soon as "
            f"VYE has activated its clone; to send them yourself: `vye egress {newest}`.",
            "All clear: the files that were late are delivered.",
        )
    ]


def _days_due(settings: Settings, now: datetime) -> list[date]:
    """Returns the last business days of which an hour has gone by since the cut-off."""
    today = now.astimezone(NEW_YORK).date()
    oldest = settings.calendar.business_days_after(today, -settings.retry_business_days)
    last = min(today, settings.end_date or date.max)
    days = settings.calendar.business_days(max(oldest, settings.start_date), last)
    return [day for day in days if now >= cut_off(day) + LATE_AFTER]


def _why_late(context: Context, day: date) -> str:
    if not any(context.ledger.owned_clones(kind, day, day) for kind in KINDS):
        return why_not_closed(context, "VYE's import or activation did not run")
    return "VYE has closed the day's clone, but no run of the egress has ended"


def _unclaimed(context: Context, now: datetime, unseen: BaseException | None) -> list[Alarm]:
    """Says that records became visible after their clone was read, or that nobody can tell."""
    records, untold = contained(lambda: find_unclaimed(context, context.ledger, now))
    if error := unseen or untold:
        return [
            Alarm(
                "VYE's database",
                frozenset({str(error)}),
                f"The pipeline can't look for new clones and late records: {error}",
                "All clear: VYE's database can be read again.",
            )
        ]
    if not records:
        return []
    counts = Counter((record.partition_date, record.kind) for record in records)
    listed = "; ".join(f"{count} {kind} of {day}" for (day, kind), count in counts.items())
    return [
        Alarm(
            "unclaimed records",
            frozenset(f"{record.kind} {record.record_id}" for record in records),
            f"Records became visible after their clone was read: {listed}. The next day that runs "
            "claims them. Whose they are: `vye affected`.",
            "All clear: no record is unclaimed.",
        )
    ]


def _unowned(context: Context) -> list[Alarm]:
    """Says that VYE closed clones after the last partition."""
    clones = context.ledger.unowned_clones()
    if not clones:
        return []
    listed = _and([str(clone) for clone in clones])
    return [
        Alarm(
            "clones after the last day",
            frozenset(map(str, clones)),
            f"VYE closed BDN clones ({listed}) after VYE_END_DATE: they belong to no day, and "
            "nothing of them is sent. Ask VYE whether their records reach BDN's successor.",
        )
    ]


def _holiday(calendar: BusinessCalendar, now: datetime) -> list[Alarm]:
    """Says the business day before that no files go out on a holiday."""
    today = now.astimezone(NEW_YORK).date()
    next_day = calendar.business_days_after(today, 1)
    between = (today + timedelta(days=n) for n in range(1, (next_day - today).days))
    names = {day: name for day in between if (name := calendar.holiday_name(day))}
    if not calendar.is_business_day(today) or not names:
        return []
    listed = " and ".join(f"{day} is {name}" for day, name in names.items())
    text = f"{listed}: no files go to BDN then; the next ones go on {next_day}."
    return [Alarm("holidays", frozenset(map(str, names)), text)]
