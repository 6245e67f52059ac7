"""What was sent against what BDN acknowledged: one vectorised comparison, no I/O, no clock.

Whole columns throughout. The steps: gather all details of all acknowledgements; find for each the
line that it speaks of; say what it says of it; put together what is said of each line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.acknowledgement import Acknowledgement, no_details
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.reconciliation.statuses import Status
from vye_pipeline.records import Kind
from vye_pipeline.records.encoding import SSN_WIDTH
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.text import text_array, text_series

NOTHING = -1
UNIT_SEPARATOR = "\x1f"
ONLY_PADDING = "padding"
FEW = 10
KEY = "acknowledgement_key"
STATUSES = [str(status) for status in Status]

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """The outcome for one file.

    Attributes:
        lines: line_number (from 1), status, reason_code, fields (comma-separated names of those
            that BDN read differently), acknowledgement_key (whence the status came): one row a
            line sent, in order; null where there is none.
        unexpected: line_number (as BDN gave it), reason_code, acknowledgement_key: one row an
            answer to nothing sent.
    """

    lines: pd.DataFrame
    unexpected: pd.DataFrame


def compare(
    kind: Kind,
    sent: bytes,
    acknowledgements: Sequence[Acknowledgement],
    *,
    is_overdue: bool,
) -> Difference:
    """Decides the status of every line of a delivered file.

    Args:
        kind: of the records.
        sent: the file.
        acknowledgements: all of the file; their order doesn't matter.
        is_overdue: whether the deadline for BDN's answer has passed.

    Returns:
        A status for each line sent, and BDN's answers that belong to none.
    """
    acknowledgements = sorted(acknowledgements, key=_by_place)
    lines = split_lines(sent)
    details = _details(acknowledgements)
    meant, is_same = _lines_meant(kind, lines, details)
    verdicts = pd.concat(
        [
            _verdicts(kind, lines, details, meant, is_same),
            _refusals(len(lines), acknowledgements),
        ],
        ignore_index=True,
    )
    unanswered = _unanswered(len(lines), acknowledgements, details, is_overdue=is_overdue)
    places = pa.array([one.place for one in acknowledgements], pa.string())
    unexpected = details[meant == NOTHING]
    return Difference(
        _pronounced(unanswered, verdicts, places),
        unexpected[["line_number", "reason_code"]]
        .reset_index(drop=True)
        .assign(**{KEY: _taken(places, unexpected["acknowledgement"].to_numpy())}),
    )


def _details(acknowledgements: Sequence[Acknowledgement]) -> pd.DataFrame:
    """Gathers line_number, is_accepted, reason_code, echo, acknowledgement of all details.

    The last one is the place of the acknowledgement in the sequence.
    """
    given = [
        one.details.assign(acknowledgement=position)
        for position, one in enumerate(acknowledgements)
    ]
    return pd.concat([no_details().assign(acknowledgement=NOTHING), *given], ignore_index=True)


def _by_place(acknowledgement: Acknowledgement) -> tuple[int, str]:
    """Orders acknowledgements by revision and sequence: `….ack.2` before `….ack.10`."""
    return len(acknowledgement.place), acknowledgement.place


def _lines_meant(kind: Kind, lines: pa.Array, details: pd.DataFrame) -> tuple[Numbers, Mask]:
    """Finds for each detail the line (from 0) that it speaks of, and whether the echo is that line.

    By number; where the echo identifies another veteran, by identity (bdn-interface.md, part 3).
    NOTHING where there is no such line.
    """
    numbers = details["line_number"].to_numpy() - 1
    meant = np.where(numbers < len(lines), numbers, NOTHING)
    echoes = text_array(details["echo"])
    is_same = _is_line(lines, meant, echoes)
    doubtful = np.flatnonzero(~is_same)
    if len(doubtful):
        doubted = echoes.take(pa.array(doubtful))
        meant[doubtful] = _by_identity(kind, lines, doubted, meant[doubtful])
        is_same[doubtful] = _is_line(lines, meant[doubtful], doubted)
    return meant, is_same


def _is_line(lines: pa.Array, meant: Numbers, echoes: pa.Array) -> Mask:
    """Says which echoes are the line that they are about, whatever blanks stand at the end."""
    sent = pc.ascii_rtrim(lines, " ").take(_indices(meant))
    return _mask(pc.equal(sent, pc.ascii_rtrim(echoes, " ")))


def _by_identity(kind: Kind, lines: pa.Array, echoes: pa.Array, meant: Numbers) -> Numbers:
    """Corrects the lines meant by echoes that are not the line at their number."""
    echoed = _identities(kind, echoes)
    at_number = _identities(kind, lines.take(_indices(meant)))
    is_another = _mask(pc.not_equal(echoed, at_number)) | (
        (meant == NOTHING) & _mask(pc.is_valid(echoed))
    )
    others = np.flatnonzero(is_another)
    found = meant.copy()
    found[others] = _first_place(
        pc.ascii_rtrim(echoes.take(pa.array(others)), " "), pc.ascii_rtrim(lines, " ")
    )
    sought = np.flatnonzero(is_another & (found == NOTHING))
    if len(sought):
        found[sought] = _only_place(echoed.take(pa.array(sought)), _identities(kind, lines))
    return found


def _identities(kind: Kind, lines: pa.Array) -> pa.Array:
    """Returns who a line is about, null where it doesn't say: no whole SSN, or fields lacking."""
    fields = parse(kind, lines)
    identity = pc.binary_join_element_wise(
        *(fields[name] for name in kind.identity),
        UNIT_SEPARATOR,
        null_handling="emit_null",
    )
    ssn = fields[kind.identity[0]]
    has_ssn = pc.and_(pc.ascii_is_decimal(ssn), pc.equal(pc.binary_length(ssn), SSN_WIDTH))
    return pc.if_else(pc.fill_null(has_ssn, False), identity, None)


def _first_place(wanted: pa.Array, among: pa.Array) -> Numbers:
    """Returns for each value wanted where it stands first among others, NOTHING if nowhere."""
    rows = np.arange(len(among))
    if len(wanted) * FEW < len(among):  # a small set is made faster than one of all lines
        rows = np.flatnonzero(_mask(pc.is_in(among, value_set=wanted)))
    return np.append(rows, NOTHING)[_places(wanted, among.take(pa.array(rows)))]


def _only_place(wanted: pa.Array, among: pa.Array) -> Numbers:
    """Returns for each value wanted where it stands among others, NOTHING if not exactly once."""
    which = _places(among, wanted)
    rows = np.flatnonzero(which != NOTHING)
    place = np.full(len(wanted) + 1, NOTHING)
    place[which[rows]] = rows
    place[:-1][np.bincount(which[rows], minlength=len(wanted)) != 1] = NOTHING
    return place[_places(wanted, wanted)]  # of a null: the last one, NOTHING


def _places(values: pa.Array, value_set: pa.Array) -> Numbers:
    """Returns for each value its place in a set, NOTHING for those that are not in it."""
    places = pc.index_in(values, value_set=value_set, skip_nulls=True)
    return pc.fill_null(places, NOTHING).to_numpy().astype(np.int64)


def _verdicts(
    kind: Kind, lines: pa.Array, details: pd.DataFrame, meant: Numbers, is_same: Mask
) -> pd.DataFrame:
    """Says what each detail says of its line.

    Columns: line (NOTHING for none), status (its place in STATUSES), reason_code, fields,
    misreading (a number for each different echo, NOTHING where BDN read what was sent),
    acknowledgement. Two different misreadings are two different results.
    """
    is_accepted = details["is_accepted"].to_numpy()
    is_misread = is_accepted & ~is_same & (meant != NOTHING)
    status = np.where(is_accepted, _code(Status.ACKNOWLEDGED), _code(Status.REJECTED))
    misread = np.flatnonzero(is_misread)
    echoes = text_array(details["echo"]).take(pa.array(misread))
    sent = lines.take(_indices(meant[misread]))
    named, misreading = (np.full(len(details), NOTHING) for _ in range(2))
    named[misread] = np.arange(len(misread))
    misreading[misread] = _places(echoes, echoes)
    return pd.DataFrame(
        {
            "line": meant,
            "status": np.where(is_misread, _code(Status.MISMATCHED), status),
            "reason_code": details["reason_code"],
            "fields": _taken(_fields_misread(kind, sent, echoes), named),
            "misreading": misreading,
            "acknowledgement": details["acknowledgement"],
        }
    )


def _fields_misread(kind: Kind, sent: pa.Array, echoes: pa.Array) -> pa.Array:
    """Names the fields in which BDN read other than was sent."""
    ours, theirs = parse(kind, sent), parse(kind, echoes)
    names = [
        pc.if_else(pc.fill_null(pc.not_equal(ours[name], theirs[name]), True), name, None)
        for name in ours
    ]
    joined = pc.binary_join_element_wise(*names, ",", null_handling="skip")
    return pc.if_else(pc.equal(joined, ""), ONLY_PADDING, joined)


def _refusals(line_count: int, acknowledgements: Sequence[Acknowledgement]) -> pd.DataFrame:
    """Returns the verdicts of refused files: every line rejected, with the file's reason.

    A refusal concerns one revision of the file: it says nothing where BDN took another revision.
    """
    taken = {
        one.file_name for one in acknowledgements if one.disposition is not Disposition.REFUSED
    }
    refusals = [
        (position, one.reason_code)
        for position, one in enumerate(acknowledgements)
        if one.disposition is Disposition.REFUSED and (not taken or one.file_name in taken)
    ]
    lines = np.arange(line_count)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "line": lines,
                    "status": _code(Status.REJECTED),
                    "reason_code": pd.Series(reason, index=lines, dtype="str"),
                    "fields": pd.Series(None, index=lines, dtype="str"),
                    "misreading": NOTHING,
                    "acknowledgement": position,
                }
            )
            for position, reason in refusals
        ]
        or [_no_verdicts()]
    )


def _no_verdicts() -> pd.DataFrame:
    numbers = pd.Series(dtype="int64")
    text = pd.Series(dtype="str")
    return pd.DataFrame(
        {
            "line": numbers,
            "status": numbers,
            "reason_code": text,
            "fields": text,
            "misreading": numbers,
            "acknowledgement": numbers,
        }
    )


def _unanswered(
    line_count: int,
    acknowledgements: Sequence[Acknowledgement],
    details: pd.DataFrame,
    *,
    is_overdue: bool,
) -> pd.DataFrame:
    """Returns status and acknowledgement that lines have as long as no detail speaks of them.

    Of a rejects-only acknowledgement an unlisted line is accepted, if BDN received that many. An
    acknowledgement is final when it leaves none of the lines received open.
    """
    by_disposition = {
        disposition: [
            one.lines_received for one in acknowledgements if one.disposition is disposition
        ]
        for disposition in Disposition
    }
    full, rejects_only = (
        by_disposition[Disposition.FULL],
        by_disposition[Disposition.REJECTS_ONLY],
    )
    is_final = bool(rejects_only) or (bool(full) and details["line_number"].nunique() >= max(full))
    status = Status.MISSING if is_final or is_overdue else Status.PENDING
    is_accepted = np.arange(line_count) < max(rejects_only, default=0)
    return pd.DataFrame(
        {
            "status": np.where(is_accepted, _code(Status.ACKNOWLEDGED), _code(status)),
            "acknowledgement": _last_of(acknowledgements) if is_final else NOTHING,
        }
    )


def _last_of(acknowledgements: Sequence[Acknowledgement]) -> int:
    """Returns the place of the acknowledgement that left no received line open."""
    return max(
        position
        for position, one in enumerate(acknowledgements)
        if one.disposition is not Disposition.REFUSED
    )


def _pronounced(unanswered: pd.DataFrame, verdicts: pd.DataFrame, places: pa.Array) -> pd.DataFrame:
    """Returns the lines of a Difference: the verdict that all agree on, else conflicting."""
    agreed, latest = _agreed(len(unanswered), verdicts)
    columns = {}
    for name in ("status", "acknowledgement"):
        values = unanswered[name].to_numpy().copy()
        is_answered = agreed != NOTHING
        values[is_answered] = verdicts[name].to_numpy()[agreed[is_answered]]
        columns[name] = values
    columns["status"][latest["line"]] = _code(Status.CONFLICTING)
    columns["acknowledgement"][latest["line"]] = latest["acknowledgement"]
    reasons = text_array(verdicts["reason_code"])
    return pd.DataFrame(
        {
            "line_number": np.arange(1, len(unanswered) + 1),
            "status": _taken(pa.array(STATUSES), columns["status"]),
            "reason_code": _taken(pc.if_else(pc.equal(reasons, ""), None, reasons), agreed),
            "fields": _taken(text_array(verdicts["fields"]), agreed),
            KEY: _taken(places, columns["acknowledgement"]),
        }
    )


def _agreed(line_count: int, verdicts: pd.DataFrame) -> tuple[Numbers, pd.DataFrame]:
    """Finds for each line the first verdict on it, where all of them say the same.

    Returns:
        The verdict's row, NOTHING where there is none or where they contradict each other; and
        line and acknowledgement of the last verdict on each of the latter.
    """
    line = verdicts["line"].to_numpy()
    count = np.bincount(line + 1, minlength=line_count + 1)  # the first one counts those on nothing
    is_single = (count[line + 1] == 1) & (line != NOTHING)
    agreed = np.full(line_count, NOTHING)
    agreed[line[is_single]] = np.flatnonzero(is_single)
    several = verdicts[~is_single & (line != NOTHING)].drop_duplicates(
        ["line", "status", "reason_code", "misreading"]
    )
    is_agreed = ~several["line"].duplicated(keep=False)
    agreed[several["line"][is_agreed]] = several.index[is_agreed]
    latest = several[~is_agreed].drop_duplicates("line", keep="last")
    return agreed, latest[["line", "acknowledgement"]]


def _code(status: Status) -> int:
    return STATUSES.index(status)


def _indices(places: Numbers) -> pa.Array:
    """Returns places for Arrow, null for NOTHING."""
    return pa.array(places, mask=places == NOTHING)


def _taken(values: pa.Array, places: Numbers) -> pd.Series[str]:
    """Returns the values at some places as a text column, null for NOTHING."""
    return text_series(values.take(_indices(places)))


def _mask(values: pa.Array) -> Mask:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)
