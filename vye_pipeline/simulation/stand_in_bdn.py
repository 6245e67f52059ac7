"""A BDN to rehearse with: it answers delivered files with acknowledgements, and with faults.

Faults concern different lines each. They are spread over the files of a partition in the order of
the kinds, each file taking as many as it has lines for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng

from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
    render_acknowledgement,
)
from vye_pipeline.bdn.acknowledgement_details import no_details
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, outbound_key
from vye_pipeline.errors import UsageError
from vye_pipeline.records import KINDS, Kind
from vye_pipeline.records.layout import split_lines
from vye_pipeline.storage.object_store import ObjectStore

REJECTIONS = {
    "verifications": ("R001", "R002", "R003", "R030"),
    "direct_deposit_changes": ("R001", "R010", "R011"),
    "address_changes": ("R001", "R020", "R021"),
}
REFUSAL = "X001"
GARBLED_FIELD = {
    "verifications": "transact_date",
    "direct_deposit_changes": "bank_name",
    "address_changes": "city",
}


@dataclass(frozen=True)
class Faults:
    """How many lines BDN rejects, drops, garbles or answers late, and whether it refuses the file.

    A dropped line is one that BDN lost: it counts and numbers only what it received.
    """

    reject: int = 0
    drop: int = 0
    garble: int = 0
    late: int = 0
    refuse: bool = False

    @property
    def line_count(self) -> int:
        """How many lines are concerned."""
        return self.reject + self.drop + self.garble + self.late


@dataclass(frozen=True)
class Answer:
    """BDN's answer to a file: the supplement has what the first left open, None if nothing."""

    first: Acknowledgement
    supplement: Acknowledgement | None


def answer(
    kind: Kind,
    partition_date: date,
    sent: bytes,
    *,
    received_at: datetime,
    faults: Faults,
    random: Generator,
    disposition: Disposition = Disposition.FULL,
) -> Answer:
    """Answers one file.

    Args:
        kind: of its records.
        partition_date: of the file.
        sent: the file.
        received_at: when BDN had it, with zone.
        faults: what goes wrong.
        random: decides which lines.
        disposition: FULL lists every line, REJECTS_ONLY the rejected and garbled ones.

    Raises:
        UsageError: more faults than lines.
    """
    lines = split_lines(sent).to_pylist()
    if faults.line_count > len(lines):
        raise UsageError(
            f"{kind.name} of {partition_date}: {faults.line_count} faults for {len(lines)} lines"
        )
    head = Acknowledgement(
        file_name(kind, partition_date),
        received_at,
        len(lines),
        disposition,
        None,
        0,
        0,
        no_details(),
    )
    if faults.refuse:
        return Answer(replace(head, disposition=Disposition.REFUSED, reason_code=REFUSAL), None)
    picked = random.permutation(len(lines))[: faults.line_count]
    bounds = np.cumsum([faults.reject, faults.drop, faults.garble])
    reject, drop, garble, late = (set(part.tolist()) for part in np.split(picked, bounds))
    received = [number for number in range(len(lines)) if number not in drop]
    details = pd.DataFrame(
        {
            "line_number": np.arange(1, len(received) + 1),
            "is_accepted": [number not in reject for number in received],
            "reason_code": [
                str(random.choice(REJECTIONS[kind.name])) if number in reject else ""
                for number in received
            ],
            "echo": [
                _garbled(kind, lines[number]) if number in garble else lines[number]
                for number in received
            ],
        }
    ).astype({"reason_code": "str", "echo": "str"})
    is_late = np.isin(received, list(late))
    is_odd = np.isin(received, list(reject | garble))
    listed = ~is_late if disposition is Disposition.FULL else is_odd & ~is_late
    head = replace(head, lines_received=len(received))
    supplement = _with_details(replace(head, disposition=Disposition.FULL), details[is_late])
    return Answer(_with_details(head, details[listed]), supplement if late else None)


def answer_partition(
    store: ObjectStore,
    partition_date: date,
    faults: Faults,
    *,
    received_at: datetime,
    seed: int = 0,
) -> list[str]:
    """Answers the delivered files of a partition that have no answer, or not to every line.

    A file that was answered before gets a supplement for the lines that were left open.

    Args:
        store: with the files, and where the acknowledgements go.
        partition_date: of the files.
        faults: what goes wrong, over all files together.
        received_at: when BDN had them, with zone.
        seed: decides which lines are concerned.

    Returns:
        The keys of the acknowledgements that were put.

    Raises:
        UsageError: nothing was delivered, or there are more faults than lines.
    """
    sent = {
        kind: store.get(key)
        for kind in KINDS
        if (key := _delivered_key(store, kind, partition_date))
    }
    if not sent:
        raise UsageError(f"nothing was delivered for {partition_date}: vye egress {partition_date}")
    new = [kind for kind in sent if store.find(acknowledgement_key(kind, partition_date)) is None]
    shares, left = {}, faults
    for kind in new:
        shares[kind], left = _share(left, sent[kind].count(b"\n"))
    if faults.refuse and (faults.line_count or not new):
        raise UsageError("only a whole file without an answer can be refused")
    if left.line_count:
        raise UsageError(
            f"{left.line_count} of the faults find no unanswered line in the files of "
            f"{partition_date}"
        )
    random, keys = default_rng(seed), []
    for kind, content in sent.items():
        if kind not in new:
            keys += _give_supplement(store, kind, partition_date, received_at)
            continue
        given = answer(
            kind,
            partition_date,
            content,
            received_at=received_at,
            faults=shares[kind],
            random=random,
        )
        keys.append(acknowledgement_key(kind, partition_date))
        if given.supplement is not None:
            held = _held_key(kind, partition_date)
            store.put(held, render_acknowledgement(given.supplement))
        store.put(keys[-1], render_acknowledgement(given.first))
    return keys


def _held_key(kind: Kind, partition_date: date) -> str:
    """Returns where BDN keeps what it will answer later."""
    return f"bdn/{partition_date}/{file_name(kind, partition_date)}"


def _give_supplement(
    store: ObjectStore, kind: Kind, partition_date: date, received_at: datetime
) -> list[str]:
    """Answers what the first acknowledgement left open, if it left anything open."""
    key, held = acknowledgement_key(kind, partition_date, 2), _held_key(kind, partition_date)
    if store.find(held) is None or store.find(key) is not None:
        return []
    supplement = parse_acknowledgement(
        store.get(held), file_name=file_name(kind, partition_date), place=held
    )
    store.put(key, render_acknowledgement(replace(supplement, received_at=received_at)))
    return [key]


def _delivered_key(store: ObjectStore, kind: Kind, partition_date: date) -> str | None:
    key = outbound_key(kind, partition_date)
    return key if store.find(key) is not None else None


def _with_details(head: Acknowledgement, details: pd.DataFrame) -> Acknowledgement:
    """Returns an acknowledgement with details and the totals that follow from them."""
    rejected = int((~details["is_accepted"].astype(bool)).sum())
    accepted = len(details) - rejected
    if head.disposition is Disposition.REJECTS_ONLY:
        accepted = head.lines_received - rejected
    return replace(
        head,
        accepted_count=accepted,
        rejected_count=rejected,
        details=details.reset_index(drop=True).astype({"reason_code": "str", "echo": "str"}),
    )


def _share(faults: Faults, lines: int) -> tuple[Faults, Faults]:
    """Splits faults into those that a file of so many lines can have, and the rest."""
    taken = {}
    for name in ("reject", "drop", "garble", "late"):
        taken[name] = min(getattr(faults, name), lines)
        lines -= taken[name]
    rest = {name: getattr(faults, name) - count for name, count in taken.items()}
    return replace(faults, **taken), replace(faults, **rest)


def _garbled(kind: Kind, line: str) -> str:
    """Changes one field that identifies nobody, as if BDN had misread it."""
    position = next(
        number for number, one in enumerate(kind.fields) if one.name == GARBLED_FIELD[kind.name]
    )
    if not kind.is_fixed_width:
        parts = line.split(kind.separator)
        parts[position] = parts[position][::-1] + "?"
        return kind.separator.join(parts)
    start = sum(one.width for one in kind.fields[:position])
    end = start + kind.fields[position].width
    return line[:start] + "0" * (end - start) + line[end:]
