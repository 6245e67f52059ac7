"""What was sent against what BDN acknowledged: one vectorised comparison, no I/O, no clock.

Whole columns throughout. The steps: gather all details of all acknowledgements; find for each the
line that it speaks of; say what it says of it; put together what is said of each line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.acknowledgement import Acknowledgement
from vye_pipeline.bdn.acknowledgement_details import no_details
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.columns.parallel import side_by_side
from vye_pipeline.columns.text import rstripped, text_array, text_series
from vye_pipeline.reconciliation.matching import (
    NOTHING,
    Mask,
    Numbers,
    indices,
    matched_lines,
    places_in,
)
from vye_pipeline.records import Kind
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.records.statuses import Status

ONLY_PADDING = "padding"
KEY = "acknowledgement_key"
STATUSES = [str(status) for status in Status]

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Difference:
    """The outcome for one file.

    Attributes:
        lines: line_number (from 1), status, reason_code, acknowledgement_key (of the
            status), fields (comma-separated names of those that BDN read differently): one row per
            line sent, in order; null where there is none.
        unexpected: line_number (as BDN gave it), reason_code, acknowledgement_key: one row per
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
    meant, is_same = matched_lines(kind, lines, details)
    verdicts = pd.concat(
        [
            _verdicts(details, meant, is_same),
            *_refusals(len(lines), acknowledgements),
        ],
        ignore_index=True,
    )
    unanswered = _unanswered(len(lines), acknowledgements, details, is_overdue=is_overdue)
    places = pa.array([one.place for one in acknowledgements], pa.string())
    agreed, contradicted = _unanimous(len(lines), verdicts)
    fields = _fields(kind, lines, details, verdicts, agreed)
    unexpected = details[meant == NOTHING]
    return Difference(
        _lines_with_verdicts(unanswered, verdicts, agreed, contradicted, places).assign(
            fields=fields
        ),
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
    details = pd.concat(given or [no_details().assign(acknowledgement=NOTHING)], ignore_index=True)
    return details.assign(echo=text_series(text_array(details["echo"])))


def _by_place(acknowledgement: Acknowledgement) -> tuple[int, str]:
    """Orders acknowledgements by revision and sequence: `….ack.2` before `….ack.10`."""
    return len(acknowledgement.place), acknowledgement.place


def _verdicts(details: pd.DataFrame, meant: Numbers, is_same: Mask) -> pd.DataFrame:
    """Says what each detail says of its line.

    Columns: line (NOTHING for none), status (its place in STATUSES), reason_code, misreading (a
    number for each different echo, NOTHING where BDN read what was sent), acknowledgement. Two
    different misreadings are two different results.
    """
    is_accepted = details["is_accepted"].to_numpy()
    is_misread = is_accepted & ~is_same & (meant != NOTHING)
    status = np.where(is_accepted, _code(Status.ACKNOWLEDGED), _code(Status.REJECTED))
    misread = np.flatnonzero(is_misread)
    echoes = rstripped(text_array(details["echo"]).take(pa.array(misread)))
    misreading = np.full(len(details), NOTHING)
    misreading[misread] = places_in(echoes, echoes)
    return pd.DataFrame(
        {
            "line": meant,
            "status": np.where(is_misread, _code(Status.MISMATCHED), status),
            "reason_code": details["reason_code"],
            "misreading": misreading,
            "acknowledgement": details["acknowledgement"],
        },
        copy=False,
    )


def _fields(
    kind: Kind, lines: pa.Array, details: pd.DataFrame, verdicts: pd.DataFrame, agreed: Numbers
) -> pd.Series[str]:
    """Returns for each line the fields that BDN misread, null where it misread none.

    The verdicts begin with those of the details, in their order.
    """
    misread = np.flatnonzero(_at(verdicts["misreading"].to_numpy(), agreed) != NOTHING)
    echoes = text_array(details["echo"]).take(pa.array(agreed[misread]))
    named = np.full(len(lines), NOTHING)
    named[misread] = np.arange(len(misread))
    return _taken(_fields_misread(kind, lines.take(pa.array(misread)), echoes), named)


def _fields_misread(kind: Kind, sent: pa.Array, echoes: pa.Array) -> pa.Array:
    """Names the fields in which BDN read other than was sent, whatever blanks are around them."""
    ours, theirs = parse(kind, sent), parse(kind, echoes)
    named = [pc.if_else(_is_other(ours[name], theirs[name]), f"{name},", "") for name in ours]
    joined = pc.ascii_rtrim(pc.binary_join_element_wise(*named, ""), ",")
    return pc.if_else(pc.equal(joined, ""), ONLY_PADDING, joined)


def _is_other(sent: pa.Array, echoed: pa.Array) -> pa.Array:
    """Says where a field was read as another value, or not at all."""
    is_other = pc.not_equal(pc.ascii_trim(sent, " "), pc.ascii_trim(echoed, " "))
    return pc.fill_null(is_other, True)


def _refusals(
    line_count: int, acknowledgements: Sequence[Acknowledgement]
) -> Iterator[pd.DataFrame]:
    """Yields the verdicts of each refused file: every line rejected, with the file's reason.

    A refusal concerns one revision of the file: it says nothing where BDN took another revision.
    """
    taken = {
        one.file_name for one in acknowledgements if one.disposition is not Disposition.REFUSED
    }
    lines = np.arange(line_count)
    for position, one in enumerate(acknowledgements):
        if one.disposition is Disposition.REFUSED and (not taken or one.file_name in taken):
            yield pd.DataFrame(
                {
                    "line": lines,
                    "status": _code(Status.REJECTED),
                    "reason_code": pd.Series(one.reason_code, index=lines, dtype="str"),
                    "misreading": NOTHING,
                    "acknowledgement": position,
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
    full = by_disposition[Disposition.FULL]
    rejects_only = by_disposition[Disposition.REJECTS_ONLY]
    is_final = bool(rejects_only) or (bool(full) and _are_all_listed(details, max(full)))
    status = Status.MISSING if is_final or is_overdue else Status.PENDING
    is_accepted = np.arange(line_count) < max(rejects_only, default=0)
    return pd.DataFrame(
        {
            "status": np.where(is_accepted, _code(Status.ACKNOWLEDGED), _code(status)),
            "acknowledgement": _last_of(acknowledgements) if is_final else NOTHING,
        }
    )


def _are_all_listed(details: pd.DataFrame, line_count: int) -> bool:
    """Says whether each of the lines received is listed."""
    numbers = details["line_number"].to_numpy()
    if len(numbers) < line_count:  # BDN may claim to have received up to 999,999,999
        return False
    is_listed = np.zeros(line_count, dtype=bool)
    is_listed[numbers[numbers <= line_count] - 1] = True
    return bool(is_listed.all())


def _last_of(acknowledgements: Sequence[Acknowledgement]) -> int:
    """Returns the place of the acknowledgement that left no received line open."""
    return max(
        position
        for position, one in enumerate(acknowledgements)
        if one.disposition is not Disposition.REFUSED
    )


def _lines_with_verdicts(
    unanswered: pd.DataFrame,
    verdicts: pd.DataFrame,
    agreed: Numbers,
    contradicted: pd.DataFrame,
    places: pa.Array,
) -> pd.DataFrame:
    """Returns the lines of a Difference, but for the fields: the verdict agreed, or conflicting."""
    status, acknowledgement = (
        np.where(agreed == NOTHING, unanswered[name], _at(verdicts[name].to_numpy(), agreed))
        for name in ("status", "acknowledgement")
    )
    status[contradicted["line"]] = _code(Status.CONFLICTING)
    acknowledgement[contradicted["line"]] = contradicted["acknowledgement"]
    reasons = text_array(verdicts["reason_code"])
    texts = {
        "status": (pa.array(STATUSES), status),
        "reason_code": (pc.if_else(pc.equal(reasons, ""), None, reasons), agreed),
        KEY: (places, acknowledgement),
    }
    taken = side_by_side(lambda text: _taken(*text), texts.values())
    line_numbers = {"line_number": np.arange(1, len(unanswered) + 1)}
    return pd.DataFrame(line_numbers | dict(zip(texts, taken, strict=True)))


def _unanimous(line_count: int, verdicts: pd.DataFrame) -> tuple[Numbers, pd.DataFrame]:
    """Finds for each line the verdict on it, of several the first, where all of them say the same.

    Returns:
        The verdict's row, NOTHING where there is none or where they contradict each other; and
        line and acknowledgement of the last verdict on each of the latter.
    """
    line, row = verdicts["line"].to_numpy(), np.arange(len(verdicts))
    agreed = np.full(line_count + 1, NOTHING)  # the last one is for verdicts on nothing
    agreed[line] = row
    has_several = np.zeros(line_count + 1, dtype=bool)
    has_several[line[agreed[line] != row]] = True
    agreed, has_several[NOTHING] = agreed[:NOTHING], False
    several = verdicts[has_several[line]].drop_duplicates(
        ["line", "status", "reason_code", "misreading"]
    )
    is_agreed = ~several["line"].duplicated(keep=False)
    agreed[several["line"]] = np.where(is_agreed, several.index, NOTHING)
    latest = several[~is_agreed].drop_duplicates("line", keep="last")
    return agreed, latest[["line", "acknowledgement"]]


def _code(status: Status) -> np.int8:
    return np.int8(STATUSES.index(status))


def _at(values: NDArray[Number], places: Numbers) -> NDArray[Number]:
    """Returns the values at some places, anything for NOTHING."""
    return np.append(values, values.dtype.type(NOTHING))[places]


def _taken(values: pa.Array, places: Numbers) -> pd.Series[str]:
    """Returns the values at some places as a text column, null for NOTHING."""
    return text_series(values.cast(pa.large_string()).take(indices(places)))
