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
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.records.text import text_array

NO_LINE = -1
UNIT_SEPARATOR = "\x1f"
ONLY_PADDING = "padding"
KEY = "acknowledgement_key"


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
    meant = _lines_meant(kind, lines, details)
    verdicts = _verdicts(kind, lines, details, meant)
    refusals = _refusals(len(lines), acknowledgements)
    statuses = _unanswered(len(lines), acknowledgements, details, is_overdue=is_overdue)
    _pronounce(statuses, pd.concat([verdicts, refusals], ignore_index=True))
    unexpected = details.loc[meant == NO_LINE, ["line_number", "reason_code", KEY]]
    return Difference(statuses, unexpected.reset_index(drop=True))


def _details(acknowledgements: Sequence[Acknowledgement]) -> pd.DataFrame:
    """Gathers line_number, is_accepted, reason_code, echo, acknowledgement_key of all details."""
    given = [one.details.assign(**{KEY: one.place}) for one in acknowledgements]
    return pd.concat([no_details().assign(**{KEY: ""}), *given], ignore_index=True)


def _by_place(acknowledgement: Acknowledgement) -> tuple[int, str]:
    """Orders acknowledgements by revision and sequence: `….ack.2` before `….ack.10`."""
    return len(acknowledgement.place), acknowledgement.place


def _lines_meant(kind: Kind, lines: pa.Array, details: pd.DataFrame) -> NDArray[np.int64]:
    """Finds for each detail the line (from 0) that it speaks of, NO_LINE where there is none.

    By number; where the echo identifies another veteran, by identity (bdn-interface.md, part 3).
    """
    numbers = details["line_number"].to_numpy() - 1
    echoes = text_array(details["echo"])
    is_sent = numbers < len(lines)
    at_number = lines.take(pa.array(np.where(is_sent, numbers, 0))) if len(lines) else echoes
    is_same = _mask(pc.equal(pc.ascii_rtrim(echoes, " "), pc.ascii_rtrim(at_number, " ")))
    meant = np.where(is_sent, numbers, NO_LINE)
    doubtful = np.flatnonzero(~(is_same & is_sent))
    if len(doubtful) and len(lines):
        taken = pa.array(doubtful)
        meant[doubtful] = _by_identity(kind, lines, echoes.take(taken), meant[doubtful])
    return meant


def _by_identity(
    kind: Kind, lines: pa.Array, echoes: pa.Array, meant: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Corrects the lines meant by echoes that are not the line at their number."""
    identities = _identities(kind, lines)
    echoed = _identities(kind, echoes)
    at_number = identities.take(pa.array(np.maximum(meant, 0)))
    is_another = _mask(pc.not_equal(echoed, at_number)) | (
        (meant == NO_LINE) & _mask(pc.is_valid(echoed))
    )
    whole_line = pc.index_in(pc.ascii_rtrim(echoes, " "), pc.ascii_rtrim(lines, " "))
    counts = pc.value_counts(identities)
    ambiguous = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    unique = pc.if_else(pc.is_in(echoed, ambiguous), None, pc.index_in(echoed, identities))
    found = pc.fill_null(pc.coalesce(whole_line, unique), NO_LINE).to_numpy(zero_copy_only=False)
    return np.where(is_another, found, meant)


def _identities(kind: Kind, lines: pa.Array) -> pa.Array:
    """Returns who a line is about, null where it doesn't say: no whole SSN, or fields lacking."""
    fields = parse(kind, lines)
    identity = pc.binary_join_element_wise(
        *(fields[name] for name in kind.identity),
        UNIT_SEPARATOR,
        null_handling="emit_null",
    )
    has_ssn = pc.match_substring_regex(fields[kind.identity[0]], "^[0-9]{9}$")
    return pc.if_else(pc.fill_null(has_ssn, False), identity, None)


def _verdicts(
    kind: Kind, lines: pa.Array, details: pd.DataFrame, meant: NDArray[np.int64]
) -> pd.DataFrame:
    """Says what each detail says of its line: line, status, reason_code, fields, echo, key.

    The echo is kept where it differs: two different misreadings are two different results.
    """
    answered = meant != NO_LINE
    details, meant = details[answered], meant[answered]
    echoes, sent = text_array(details["echo"]), lines.take(pa.array(meant))
    is_misread = details["is_accepted"].to_numpy() & _mask(
        pc.not_equal(pc.ascii_rtrim(echoes, " "), pc.ascii_rtrim(sent, " "))
    )
    status = np.where(details["is_accepted"], str(Status.ACKNOWLEDGED), str(Status.REJECTED))
    fields = np.full(len(details), None, dtype=object)
    echo = fields.copy()
    misread = pa.array(np.flatnonzero(is_misread))
    fields[is_misread] = _fields_misread(kind, sent.take(misread), echoes.take(misread))
    echo[is_misread] = echoes.take(misread).to_numpy(zero_copy_only=False)
    return pd.DataFrame(
        {
            "line": meant,
            "status": np.where(is_misread, str(Status.MISMATCHED), status),
            "reason_code": details["reason_code"].replace("", None).to_numpy(dtype=object),
            "fields": fields,
            "echo": echo,
            KEY: details[KEY].to_numpy(dtype=object),
        }
    )


def _fields_misread(kind: Kind, sent: pa.Array, echoes: pa.Array) -> NDArray[np.object_]:
    """Names the fields in which BDN read other than was sent."""
    ours, theirs = parse(kind, sent), parse(kind, echoes)
    names = [
        pc.if_else(pc.fill_null(pc.not_equal(ours[name], theirs[name]), True), name, None)
        for name in ours
    ]
    joined = pc.binary_join_element_wise(*names, ",", null_handling="skip")
    named = pc.if_else(pc.equal(joined, ""), ONLY_PADDING, joined)
    return named.to_numpy(zero_copy_only=False)


def _refusals(line_count: int, acknowledgements: Sequence[Acknowledgement]) -> pd.DataFrame:
    """Returns the verdicts of refused files: every line rejected, with the file's reason.

    A refusal concerns one revision of the file: it says nothing where BDN took another revision.
    """
    taken = {
        one.file_name for one in acknowledgements if one.disposition is not Disposition.REFUSED
    }
    refusals = [
        one
        for one in acknowledgements
        if one.disposition is Disposition.REFUSED and (not taken or one.file_name in taken)
    ]
    codes = np.array([one.reason_code for one in refusals], dtype=object)
    places = np.array([one.place for one in refusals], dtype=object)
    return pd.DataFrame(
        {
            "line": np.tile(np.arange(line_count), len(refusals)),
            "status": str(Status.REJECTED),
            "reason_code": np.repeat(codes, line_count),
            "fields": None,
            "echo": None,
            KEY: np.repeat(places, line_count),
        }
    )


def _unanswered(
    line_count: int,
    acknowledgements: Sequence[Acknowledgement],
    details: pd.DataFrame,
    *,
    is_overdue: bool,
) -> pd.DataFrame:
    """Returns the statuses that lines have as long as no detail speaks of them.

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
    line_number = np.arange(1, line_count + 1)
    is_accepted = line_number <= max(rejects_only, default=0)
    final = _last_of(acknowledgements) if is_final else None
    return pd.DataFrame(
        {
            "line_number": line_number,
            "status": np.where(is_accepted, str(Status.ACKNOWLEDGED), str(status)).astype(object),
            "reason_code": np.full(line_count, None, dtype=object),
            "fields": np.full(line_count, None, dtype=object),
            KEY: np.full(line_count, final, dtype=object),
        }
    )


def _last_of(acknowledgements: Sequence[Acknowledgement]) -> str:
    """Returns the key of the acknowledgement that left no received line open."""
    return [one.place for one in acknowledgements if one.disposition is not Disposition.REFUSED][-1]


def _pronounce(statuses: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """Writes the verdicts into the statuses: the one that all agree on, else conflicting."""
    count = np.bincount(verdicts["line"], minlength=len(statuses))
    is_single = count[verdicts["line"]] == 1
    said = [name for name in verdicts if name != KEY]
    several = verdicts[~is_single].drop_duplicates(said)
    is_agreed = ~several["line"].duplicated(keep=False)
    agreed = pd.concat([verdicts[is_single], several[is_agreed]])
    columns = ["status", "reason_code", "fields", KEY]
    lines = agreed["line"].to_numpy()
    for column in columns:
        values = statuses[column].to_numpy().copy()
        values[lines] = agreed[column].to_numpy(dtype=object)
        statuses[column] = values
    latest = several[~is_agreed].drop_duplicates("line", keep="last").set_index("line")[KEY]
    statuses.loc[latest.index, columns] = [str(Status.CONFLICTING), None, None, None]
    statuses.loc[latest.index, KEY] = latest


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)
