"""Which line of a file each detail of an acknowledgement speaks of (bdn-interface.md, part 3).

By number; where the echo identifies another veteran, by identity. Whole columns, no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.columns.parallel import rows, side_by_side
from vye_pipeline.columns.text import rstripped, text_array
from vye_pipeline.records import Kind
from vye_pipeline.records.encoding import SSN_WIDTH
from vye_pipeline.records.layout import parse

NOTHING = -1
UNIT_SEPARATOR = "\x1f"

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]
SSNs = NDArray[np.int32]  # or TD numbers: nine digits fit; NOTHING for what isn't nine digits


@dataclass(frozen=True)
class _Sent:
    """The lines of a file, and the SSNs (or TD numbers) that they are about, as numbers."""

    kind: Kind
    lines: pa.Array

    @cached_property
    def ssns(self) -> SSNs:
        return _ssns(self.kind, self.lines)

    @cached_property
    def index(self) -> pd.Index[int]:
        return pd.Index(self.ssns)

    def first_about(self, ssns: SSNs) -> Numbers:
        """Returns for each SSN the first line (from 0) about it, NOTHING where there is none."""
        if self.index.is_unique:  # one table of them less to make
            return self.index.get_indexer(pd.Index(ssns))
        firsts = np.flatnonzero(~self.index.duplicated())
        return np.append(firsts, NOTHING)[self.index[firsts].get_indexer(pd.Index(ssns))]

    def about(self, ssns: SSNs) -> Numbers:
        """Returns the lines (from 0) about any of some SSNs, in order."""
        if not self.index.is_unique:
            return np.flatnonzero(self.index.isin(ssns))
        found = np.unique(self.first_about(ssns))
        return found[found != NOTHING]


def matched_lines(kind: Kind, lines: pa.Array, details: pd.DataFrame) -> tuple[Numbers, Mask]:
    """Finds for each detail the line (from 0) that it speaks of, and whether the echo is that line.

    NOTHING where there is no such line. Where BDN lost a line nearly all numbers are wrong, but
    nearly all echoes are still, word for word, the first line about their SSN.

    Args:
        kind: of the records.
        lines: that were sent.
        details: line_number (from 1), echo: a row per detail.
    """
    sent = _Sent(kind, lines)
    numbers = details["line_number"].to_numpy() - 1
    meant = np.where(numbers < len(sent.lines), numbers, NOTHING)
    echoes = text_array(details["echo"])
    guess = _first_about_ssn(sent, echoes, meant)
    is_same = _is_line(sent.lines, guess, echoes)
    meant = np.where(is_same, guess, meant)
    doubtful = np.flatnonzero(~is_same)
    if len(doubtful):
        doubted = echoes.take(pa.array(doubtful))
        meant[doubtful] = _by_identity(sent, doubted, meant[doubtful])
        is_same[doubtful] = _is_line(sent.lines, meant[doubtful], doubted)
    return meant, is_same


def _is_line(lines: pa.Array, meant: Numbers, echoes: pa.Array) -> Mask:
    """Says which echoes are the line that they are about, whatever blanks stand at the end."""

    def _is_line_of(part: slice) -> Mask:
        sent = rstripped(lines.take(indices(meant[part])))
        return _mask(pc.equal(sent, rstripped(echoes[part])))

    return np.concatenate(side_by_side(_is_line_of, rows(len(echoes))))


def _first_about_ssn(sent: _Sent, echoes: pa.Array, meant: Numbers) -> Numbers:
    """Returns the lines meant, but the first about an echo's SSN where the one meant is not."""
    echoed = _ssns(sent.kind, echoes)
    others = np.flatnonzero(echoed != np.append(sent.ssns, NOTHING)[meant])
    guess = meant.copy()
    if len(others):
        guess[others] = sent.first_about(echoed[others])
    return guess


def _by_identity(sent: _Sent, echoes: pa.Array, meant: Numbers) -> Numbers:
    """Corrects the lines meant by echoes that are not the line at their number."""
    echoed = _identities(sent.kind, echoes)
    at_number = _identities(sent.kind, sent.lines.take(indices(meant)))
    is_another = _mask(pc.not_equal(echoed, at_number)) | (
        (meant == NOTHING) & _mask(pc.is_valid(echoed))
    )
    others = np.flatnonzero(is_another)
    near_rows = sent.about(_ssns(sent.kind, echoes))
    near = sent.lines.take(pa.array(near_rows))
    found = np.full(len(meant), NOTHING)
    found[others] = places_in(rstripped(echoes.take(pa.array(others))), rstripped(near))
    sought = np.flatnonzero(is_another & (found == NOTHING))
    found[sought] = _only_place(echoed.take(pa.array(sought)), _identities(sent.kind, near))
    return np.where(is_another, np.append(near_rows, NOTHING)[found], meant)


def _ssns(kind: Kind, lines: pa.Array) -> SSNs:
    """Returns the SSNs (or TD numbers) that lines are about, NOTHING for one that isn't whole."""
    name = kind.identity[0]

    def _ssns_of(part: slice) -> SSNs:
        ssns = _whole_ssn(parse(kind, lines[part], [name])[name]).cast(pa.int32())
        return pc.fill_null(ssns, NOTHING).to_numpy(zero_copy_only=False)

    return np.concatenate(side_by_side(_ssns_of, rows(len(lines))))


def _identities(kind: Kind, lines: pa.Array) -> pa.Array:
    """Returns who a line is about, null where it doesn't say: no whole SSN, or fields lacking."""
    fields = parse(kind, lines, kind.identity)
    ssn, *others = (fields[name] for name in kind.identity)
    return pc.binary_join_element_wise(
        _whole_ssn(ssn), *others, UNIT_SEPARATOR, null_handling="emit_null"
    )


def _whole_ssn(values: pa.Array) -> pa.Array:
    is_whole = pc.and_(pc.ascii_is_decimal(values), pc.equal(pc.binary_length(values), SSN_WIDTH))
    return values if pc.all(is_whole).as_py() else pc.if_else(is_whole, values, None)


def _only_place(wanted: pa.Array, among: pa.Array) -> Numbers:
    """Returns for each value wanted where it stands among others, NOTHING if not exactly once."""
    which = places_in(among, wanted)
    found = np.flatnonzero(which != NOTHING)
    place = np.full(len(wanted) + 1, NOTHING)
    place[which[found]] = found
    place[:-1][np.bincount(which[found], minlength=len(wanted)) != 1] = NOTHING
    return place[places_in(wanted, wanted)]  # of a null: the last one, NOTHING


def places_in(values: pa.Array, value_set: pa.Array) -> Numbers:
    """Returns for each value its place in a set, NOTHING for those that are not in it."""
    places = pc.index_in(values, value_set=value_set, skip_nulls=True)
    return pc.fill_null(places, NOTHING).to_numpy().astype(np.int64)


def indices(places: Numbers) -> pa.Array:
    """Returns places for Arrow, null for NOTHING."""
    return pa.array(places, mask=places == NOTHING)


def _mask(values: pa.Array) -> Mask:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool)
