"""What is usual on a weekday: the medians of its last files that went out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Connection, func, select

from vye_pipeline.ledger.models import (
    CLAIMS,
    DELIVERIES,
    HELD,
    LINE,
    QUARANTINED,
    REPLACED,
    SUPERSEDED,
)
from vye_pipeline.records import KINDS

if TYPE_CHECKING:
    from vye_pipeline.context import Context
    from vye_pipeline.egress.preview import Preview

DAYS_LOOKED_AT = 60  # delivered ones, of any weekday
DAYS_COMPARED = 8
WORDS = {
    LINE: "lines",
    QUARANTINED: "quarantined",
    HELD: "held",
    SUPERSEDED: "superseded",
    REPLACED: "replaced",
}


Compared: TypeAlias = "tuple[Preview, Usual]"


@dataclass(frozen=True)
class Usual:
    """What the last files of a weekday were like.

    Attributes:
        days: how many of them are known, DAYS_COMPARED at most.
        counts: the median number of records by what became of them; empty where no day is known.
        fewest_lines: of the smallest of them.
        most_lines: of the largest of them.
    """

    days: int
    counts: dict[str, int]
    fewest_lines: int
    most_lines: int

    def as_json(self) -> dict[str, int] | None:
        """Returns it as `vye preview --json` does, None where no day is known."""
        return {"days": self.days, **self.counts} if self.days else None


def beside_usual(context: Context, partition_date: date, now: datetime) -> list[Compared]:
    """Previews each kind of a day, beside what is usual on its weekday (`preview`)."""
    from vye_pipeline.egress.preview import preview

    previews = [preview(context, partition_date, kind, now) for kind in KINDS]
    usual = context.ledger.read(
        lambda connection: [usual_counts(connection, one.kind, partition_date) for one in previews]
    )
    return list(zip(previews, usual, strict=True))


def usual_counts(connection: Connection, kind: str, before: date) -> Usual:
    """Returns what the last files of a kind were like that went out on a day's weekday.

    Args:
        connection: to the ledger.
        kind: the kind's name.
        before: the day.
    """
    lines = _lines(connection, kind, before)
    counts = [_counts(connection, kind, day) for day in lines]
    return Usual(
        len(lines),
        {word: round(median(one[name] for one in counts)) for name, word in WORDS.items()}
        if counts
        else {},
        min(lines.values(), default=0),
        max(lines.values(), default=0),
    )


def _lines(connection: Connection, kind: str, before: date) -> dict[date, int]:
    """Returns the lines of the last files of the weekday, by day."""
    query = (
        select(DELIVERIES.c.partition_date, DELIVERIES.c.line_count)
        .where(DELIVERIES.c.kind == kind, DELIVERIES.c.partition_date < before)
        .order_by(DELIVERIES.c.partition_date.desc())
        .limit(DAYS_LOOKED_AT)
    )
    rows = connection.execute(query).all()
    same = [(day, lines) for day, lines in rows if day.weekday() == before.weekday()]
    return dict(same[:DAYS_COMPARED])


def _counts(connection: Connection, kind: str, day: date) -> Counter[str]:
    query = (
        select(CLAIMS.c.disposition, func.count())
        .where(CLAIMS.c.kind == kind, CLAIMS.c.partition_date == day)
        .group_by(CLAIMS.c.disposition)
    )
    return Counter(dict(iter(connection.execute(query))))
