"""The statuses of one record (bdn-interface.md, part 3), and what each asks of people."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What is known of one record; exactly one of them at any time."""

    QUARANTINED = "quarantined"
    HELD = "held"
    UNDELIVERED = "undelivered"
    SUPERSEDED = "superseded"
    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    MISMATCHED = "mismatched"
    REJECTED = "rejected"
    MISSING = "missing"
    CONFLICTING = "conflicting"
    UNEXPECTED = "unexpected"


UNSETTLED = (Status.UNDELIVERED, Status.PENDING)
MANUAL = (
    Status.QUARANTINED,
    Status.HELD,
    Status.MISMATCHED,
    Status.REJECTED,
    Status.MISSING,
    Status.CONFLICTING,
    Status.UNEXPECTED,
)
UNSENT = (Status.QUARANTINED, Status.HELD, Status.SUPERSEDED)  # with a claim, and without a line
CONFIRMED, CONTRADICTED = "confirmed_by_feed", "contradicted_by_feed"
OF_A_LINE = (
    Status.UNDELIVERED,
    Status.PENDING,
    Status.ACKNOWLEDGED,
    Status.MISMATCHED,
    Status.REJECTED,
    Status.MISSING,
    Status.CONFLICTING,
)

ANSWERED = (Status.ACKNOWLEDGED, Status.MISMATCHED, Status.REJECTED, Status.CONFLICTING)
_DELIVERED = (Status.PENDING, Status.MISSING, *ANSWERED)

# What a status may become. Before the delivery the source is read again each time, so anything can
# happen; after it only BDN's answers and the deadline move a record.
MOVES: dict[Status, tuple[Status, ...]] = {
    Status.QUARANTINED: (Status.HELD, Status.UNDELIVERED, Status.SUPERSEDED, *_DELIVERED),
    Status.HELD: (Status.QUARANTINED, Status.UNDELIVERED, Status.SUPERSEDED, *_DELIVERED),
    Status.UNDELIVERED: (Status.QUARANTINED, Status.HELD, Status.SUPERSEDED, *_DELIVERED),
    Status.PENDING: (Status.MISSING, *ANSWERED),
    Status.MISSING: ANSWERED,
    **{status: tuple(other for other in _DELIVERED if other != status) for status in ANSWERED},
    Status.SUPERSEDED: (),
}

NEXT_STEPS = {
    Status.QUARANTINED: "correct the record in VYE, or reconcile it by hand with BDN",
    Status.HELD: "find out whether it may go out, then vye release, or settle it with BDN by hand",
    Status.UNDELIVERED: "fix the cause, then vye backfill --failed",
    Status.SUPERSEDED: "nothing: a newer change was delivered",
    Status.PENDING: "wait for BDN's acknowledgement",
    Status.ACKNOWLEDGED: "nothing",
    Status.MISMATCHED: "have BDN correct the fields it read differently",
    Status.REJECTED: "act on BDN's reason, then reconcile by hand with BDN",
    Status.MISSING: "ask BDN what became of the line",
    Status.CONFLICTING: "ask BDN which of its answers holds",
    Status.UNEXPECTED: "ask BDN where the line came from: it was never sent",
}

# Why a status is a problem, where neither BDN nor a rule gives a reason code.
REASONS = {
    Status.HELD: "an operator holds it back",
    Status.MISMATCHED: "BDN read fields differently",
    Status.REJECTED: "BDN rejected it without a reason",
    Status.MISSING: "BDN has not acknowledged it",
    Status.CONFLICTING: "BDN gave answers that contradict each other",
    Status.UNEXPECTED: "BDN answered to a line that was never sent",
}


def moves_table() -> str:
    """Returns what each status may become as a Markdown table, for docs/bdn-interface.md."""
    rows = [
        f"| `{status}` | {', '.join(f'`{after}`' for after in MOVES[status]) or 'nothing'} |\n"
        for status in Status
        if status in MOVES
    ]
    return "| status | may become |\n| --- | --- |\n" + "".join(rows)
