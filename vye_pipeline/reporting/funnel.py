"""What each of BDN's answers did: of the lines that it speaks of, how many changed anything.

Computed from the history of statuses, in which each row names the answer that it came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS, DELIVERIES, RECONCILIATIONS
from vye_pipeline.ledger.record_status import same_partition
from vye_pipeline.reconciliation.orphans import IGNORED
from vye_pipeline.reconciliation.timeliness import Ignored

NO_PLACE = -1  # of an answer that is not on record


@dataclass(frozen=True)
class Funnel:
    """What became of the lines that an answer speaks of.

    Attributes:
        partition_date: of the file.
        kind: of its records.
        object_key: the answer.
        recorded_at: when it was read first (UTC).
        spoken_of: lines that it speaks of: those listed and, where it lists rejects only, all
            others that BDN received; where it refuses the file, all that were sent.
        unexpected: listed ones that were never sent.
        changed: of the matched ones, those whose status it changed.
        ignored: why it counts for nothing, None if it counts.
    """

    partition_date: date
    kind: str
    object_key: str
    recorded_at: datetime
    spoken_of: int
    unexpected: int
    changed: int
    ignored: str | None

    @property
    def matched(self) -> int:
        """Lines that it speaks of and that were sent."""
        return 0 if self.ignored else self.spoken_of - self.unexpected

    @property
    def nothing_new(self) -> int:
        """Matched lines of which it said what was known, or what others said as well."""
        return self.matched - self.changed

    def in_words(self) -> str:
        """Returns it as a clause."""
        if self.ignored:
            return f"it counts for nothing: {self.ignored}"
        parts = {
            "matched": self.matched,
            "changed a status": self.changed,
            "said nothing new": self.nothing_new,
            "never sent": self.unexpected,
        }
        counted = ", ".join(f"{count} {words}" for words, count in parts.items() if count)
        return f"of {self.spoken_of} lines {counted}" if counted else "it speaks of no line"


def funnels(connection: Connection, first: date, last: date) -> list[Funnel]:
    """Returns what each answer to the files of some days did, in the order of reading.

    Args:
        connection: to the ledger.
        first: the first day.
        last: the last day.
    """
    rows = ACKNOWLEDGEMENTS.c
    query = (
        select(
            rows.partition_date,
            rows.kind,
            rows.object_key,
            rows.recorded_at,
            rows.disposition,
            rows.lines_received,
            rows.accepted_count,
            rows.rejected_count,
            rows.ignored_because,
            DELIVERIES.c.line_count,
        )
        .outerjoin(DELIVERIES, same_partition(DELIVERIES, ACKNOWLEDGEMENTS))
        .where(rows.partition_date.between(first, last))
        .order_by(rows.recorded_at, rows.object_key)
    )
    answers = connection.execute(query).all()
    newest = {answer.object_key: place for place, answer in enumerate(answers)}
    changes = _changes(connection, answers, first, last)
    unexpected = _unexpected(connection, first, last)
    return [
        Funnel(
            answer.partition_date,
            answer.kind,
            answer.object_key,
            answer.recorded_at,
            _spoken_of(answer, unexpected[answer.object_key]),
            unexpected[answer.object_key] if newest[answer.object_key] == place else 0,
            changes[place],
            IGNORED[Ignored(answer.ignored_because)] if answer.ignored_because else None,
        )
        for place, answer in enumerate(answers)
    ]


def _spoken_of(answer: Row[*tuple[Any, ...]], unexpected: int) -> int:
    sent = answer.line_count or 0
    if answer.disposition == Disposition.REFUSED:
        return sent
    if answer.disposition == Disposition.REJECTS_ONLY:
        return min(answer.lines_received, sent) + unexpected
    return int(answer.accepted_count + answer.rejected_count)


def _changes(
    connection: Connection, answers: Sequence[Row[*tuple[Any, ...]]], first: date, last: date
) -> Counter[int]:
    """Counts the statuses that each answer has changed, by its place.

    Of several that were read under one key, a change is that of the one that was read last before.
    """
    rows = RECONCILIATIONS.c
    content = (rows.acknowledgement_key, rows.reconciled_at)
    query = (
        select(*content, func.count())
        .where(
            rows.partition_date.between(first, last),
            rows.acknowledgement_key.is_not(None),
            rows.record_id.is_not(None),
        )
        .group_by(*content)
    )
    places: dict[str, list[int]] = defaultdict(list)
    for place, answer in enumerate(answers):
        places[answer.object_key].append(place)
    changes: Counter[int] = Counter()
    for key, at, count in connection.execute(query):
        read_before = [place for place in places[key] if answers[place].recorded_at <= at]
        changes[max(read_before, default=NO_PLACE)] += count
    return changes


def _unexpected(connection: Connection, first: date, last: date) -> Counter[str]:
    """Counts the lines that were never sent, by the key of the answer that lists them."""
    rows = RECONCILIATIONS.c
    query = (
        select(rows.acknowledgement_key, func.count())
        .where(
            rows.partition_date.between(first, last),
            rows.record_id.is_(None),
            rows.replaced_at.is_(None),
        )
        .group_by(rows.acknowledgement_key)
    )
    return Counter(dict(iter(connection.execute(query))))
