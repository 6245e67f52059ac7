"""What happened to a day, in plain words, for people who have to explain it to others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from vye_pipeline.business_days import NEW_YORK, BusinessCalendar
from vye_pipeline.ledger.models import (
    ACKNOWLEDGEMENTS,
    BEGUN,
    CONFIRMED,
    DELIVERIES,
    EXPIRIES,
    FAILURES,
    FILES,
    HAND_OVERS,
    REDELIVERIES,
    WITHDRAWN,
)
from vye_pipeline.ledger.open_work import open_hand_overs
from vye_pipeline.ledger.rows import PUT, orphans_in_words
from vye_pipeline.records.statuses import MANUAL, Status
from vye_pipeline.reporting.calendar import (
    CLOSED,
    DELIVERED,
    FAILED,
    MISSING,
    Day,
    calendar,
    orphans,
)
from vye_pipeline.reporting.funnel import funnels

DISPOSITIONS = {
    "F": "acknowledged it line by line: {accepted} accepted, {rejected} rejected",
    "R": "acknowledged it by its rejects: {accepted} accepted, {rejected} rejected",
    "X": "refused the whole file, reason {reason}",
}
HAND_OVER_STEPS = {
    BEGUN: "{who} began to hand it over",
    CONFIRMED: "{who} confirmed that it was handed over: {note}",
    WITHDRAWN: "{who} withdrew the hand-over: {note}",
}


@dataclass(frozen=True)
class Event:
    """Something that happened to a file (the time in UTC)."""

    partition_date: date
    at: datetime
    kind: str
    words: str

    def in_words(self) -> str:
        """Returns it as a line, the time in New York."""
        return f"{self.at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} {self.kind}: {self.words}"


def timeline(
    connection: Connection, partition_date: date, business_calendar: BusinessCalendar
) -> list[str]:
    """Returns what happened to a day, step by step, then how each kind stands and what is open."""
    days = calendar(connection, [partition_date])
    happened = events(connection, partition_date, partition_date)
    return [
        *(event.in_words() for event in happened),
        *(as_it_stands(day, business_calendar) for day in days),
        *(
            f"{one.in_words()}; {one.decide_command()}"
            for one in open_hand_overs(connection)
            if one.partition_date == partition_date
        ),
        *orphans_in_words(orphans(connection, [partition_date])),
    ]


def events(connection: Connection, first: date, last: date) -> list[Event]:
    """Returns what happened to the files of some days, in order."""
    return sorted(
        [
            *_read(connection, first, last),
            *_failed(connection, first, last),
            *_delivered(connection, first, last),
            *_handed_over(connection, first, last),
            *_delivered_again(connection, first, last),
            *_answered(connection, first, last),
            *_expired(connection, first, last),
        ],
        key=lambda event: (event.partition_date, event.at, event.kind),
    )


def _read(connection: Connection, first: date, last: date) -> list[Event]:
    query = select(FILES.c.partition_date, FILES.c.first_claimed_at, FILES.c.kind).where(
        FILES.c.partition_date.between(first, last)
    )
    return [
        Event(day, at, kind, "the records were read and claimed")
        for day, at, kind in connection.execute(query)
    ]


def _failed(connection: Connection, first: date, last: date) -> list[Event]:
    query = select(
        FAILURES.c.partition_date,
        FAILURES.c.failed_at,
        FAILURES.c.kind,
        FAILURES.c.step,
        FAILURES.c.cause,
        FAILURES.c.what,
        FAILURES.c.record_count,
        FAILURES.c.profile_count,
    ).where(FAILURES.c.partition_date.between(first, last))
    return [
        Event(
            day,
            at,
            kind,
            f"{step} failed ({cause}): {what}; "
            f"{records} records of {profiles} user profiles waited",
        )
        for day, at, kind, step, cause, what, records, profiles in connection.execute(query)
    ]


def _delivered(connection: Connection, first: date, last: date) -> list[Event]:
    query = select(
        DELIVERIES.c.partition_date,
        DELIVERIES.c.delivered_at,
        DELIVERIES.c.kind,
        DELIVERIES.c.line_count,
        DELIVERIES.c.object_key,
    ).where(DELIVERIES.c.partition_date.between(first, last), DELIVERIES.c.way == PUT)
    return [
        Event(day, at, kind, f"{lines} lines were delivered as {key}")
        for day, at, kind, lines, key in connection.execute(query)
    ]


def _handed_over(connection: Connection, first: date, last: date) -> list[Event]:
    query = (
        select(
            HAND_OVERS.c.partition_date,
            HAND_OVERS.c.done_at,
            HAND_OVERS.c.kind,
            HAND_OVERS.c.step,
            HAND_OVERS.c.done_by,
            HAND_OVERS.c.note,
        )
        .where(HAND_OVERS.c.partition_date.between(first, last))
        .order_by(HAND_OVERS.c.id)
    )
    return [
        Event(day, at, kind, HAND_OVER_STEPS[step].format(who=who, note=note))
        for day, at, kind, step, who, note in connection.execute(query)
    ]


def _delivered_again(connection: Connection, first: date, last: date) -> list[Event]:
    query = select(
        REDELIVERIES.c.partition_date,
        REDELIVERIES.c.requested_at,
        REDELIVERIES.c.kind,
        REDELIVERIES.c.object_key,
        REDELIVERIES.c.requested_by,
        REDELIVERIES.c.reason,
    ).where(REDELIVERIES.c.partition_date.between(first, last))
    return [
        Event(day, at, kind, f"{who} had it delivered again as {key}: {reason}")
        for day, at, kind, key, who, reason in connection.execute(query)
    ]


def _answered(connection: Connection, first: date, last: date) -> list[Event]:
    query = select(
        ACKNOWLEDGEMENTS.c.recorded_at,
        ACKNOWLEDGEMENTS.c.object_key,
        ACKNOWLEDGEMENTS.c.disposition,
        ACKNOWLEDGEMENTS.c.accepted_count,
        ACKNOWLEDGEMENTS.c.rejected_count,
        ACKNOWLEDGEMENTS.c.reason_code,
    ).where(ACKNOWLEDGEMENTS.c.partition_date.between(first, last))
    said = {
        (at, key): DISPOSITIONS[disposition].format(
            accepted=accepted, rejected=rejected, reason=reason
        )
        for at, key, disposition, accepted, rejected, reason in connection.execute(query)
    }
    return [
        Event(
            one.partition_date,
            one.recorded_at,
            one.kind,
            f"BDN {said[one.recorded_at, one.object_key]}; {one.in_words()}",
        )
        for one in funnels(connection, first, last)
    ]


def _expired(connection: Connection, first: date, last: date) -> list[Event]:
    expired = EXPIRIES.c
    query = select(expired.partition_date, expired.expired_at, expired.kind).where(
        expired.partition_date.between(first, last)
    )
    words = "its content expired: snapshots and raw acknowledgements are removed"
    return [Event(day, at, kind, words) for day, at, kind in connection.execute(query)]


def as_it_stands(day: Day, business_calendar: BusinessCalendar) -> str:
    """Says how a kind stands and what there is to do."""
    if day.delivery == MISSING:
        return f"{day.kind}: never ran; vye egress {day.partition_date} --kind {day.kind}"
    if day.delivery == CLOSED:
        return f"{day.kind}: closed, a later day is delivered and has taken up its records"
    if day.delivery == FAILED:
        waiting = day.counts[Status.UNDELIVERED]
        return f"{day.kind}: not delivered, {waiting} records wait; vye backfill --failed"
    counts = ", ".join(f"{count} {status}" for status, count in day.counts.items() if count)
    manual = sum(day.counts[status] for status in MANUAL)
    due_at = business_calendar.deadline(day.partition_date, day.delivered_at)
    due = f"; BDN has until {due_at:%Y-%m-%d %H:%M %Z}"
    return (
        f"{day.kind}: {DELIVERED}, {counts or 'no records'}"
        + ("" if day.is_settled else due)
        + (f"; vye affected --date {day.partition_date}" if manual else "")
    )
