"""What BDN's feed says of lines that were sent: evidence beside the status, never instead of it.

Pure: no I/O, no clock. A verification is confirmed when date_last_certified has reached its
transact_date. An address change is confirmed when the feed has its address: each line sent, as BDN
keeps it (upper case, cut to 20 characters), is one of the five address lines, city and state stand
inside them, the state as its code or spelt out, both cut where the line ends, and the ZIP code
begins alike. Of bank accounts the feed says nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vye_pipeline.bdn.wave_feed import ADDRESS_FIELDS, ADDRESS_WIDTH
from vye_pipeline.reconciliation.states import CODES, STATES
from vye_pipeline.records import ADDRESS_CHANGES, VERIFICATIONS, Kind
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.records.statuses import CONFIRMED, CONTRADICTED

LINES_SENT = ("address1", "address2", "address3", "address4")
ZIP_WIDTH = 5
NO_DATE = "00000000"


def evidence(kind: Kind, sent: bytes, feed: pd.DataFrame) -> pd.DataFrame:
    """Says of each line sent what a later feed makes of it.

    Args:
        kind: of the records.
        sent: the file.
        feed: the lines of a feed that BDN made after it had the file.

    Returns:
        line_number, evidence, fields (those that contradict, separated by commas; null): one row
        per line of whose veteran the feed says anything.
    """
    if kind not in (VERIFICATIONS, ADDRESS_CHANGES):
        return _said(pd.DataFrame({"line_number": pd.Series(dtype="int64")}))
    fields = parse(kind, split_lines(sent))
    lines = pd.DataFrame(
        {name: values.to_pandas().astype("str") for name, values in fields.items()}
    )
    lines = lines.assign(line_number=np.arange(1, len(lines) + 1), ssn=_ssn(kind, fields))
    known = lines.merge(feed, on="ssn", suffixes=("", "_in_feed"))
    if kind is VERIFICATIONS:
        known = known[known["stub_nm"] == known["stub_nm_in_feed"]]
        return _said(known[["line_number"]].assign(transact_date=_is_certified(known)))
    return _said(known[["line_number"]].assign(**_address_matches(known)))


def _ssn(kind: Kind, fields: dict[str, pa.Array]) -> pd.Series[str]:
    """Returns the SSN; a td_number has its last two digits in front."""
    if kind is not VERIFICATIONS:
        return pd.Series(fields["ssn"].to_pandas(), dtype="str")
    number = fields["td_number"]
    parts = pc.utf8_slice_codeunits(number, 2), pc.utf8_slice_codeunits(number, 0, 2)
    return pd.Series(pc.binary_join_element_wise(*parts, "").to_pandas(), dtype="str")


def _is_certified(known: pd.DataFrame) -> pd.Series[bool]:
    reached = known["date_last_certified"]
    return (reached != "") & (reached != NO_DATE) & (reached >= known["transact_date"])


def _address_matches(known: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Says for each field of an address whether the feed has it; a blank one it needn't have."""
    in_feed = {
        name: known[name if name == "address5" else f"{name}_in_feed"] for name in ADDRESS_FIELDS
    }
    matches = {}
    for name in LINES_SENT:
        kept = _as_kept(known[name])
        is_there = np.logical_or.reduce([kept == line.str.strip() for line in in_feed.values()])
        matches[name] = pd.Series(is_there | (kept == ""), index=known.index)
    city, state = _as_kept(known["city"]), _as_kept(known["state"])
    lines = list(in_feed.values())
    is_cut = _is_cut(lines, known["city"].str.upper().str.strip(), _spellings(state))
    matches["city"] = _is_inside(lines, city) | is_cut
    spelt = [_is_inside(lines, spelling) for spelling in _spellings(state)]
    matches["state"] = np.logical_or.reduce([is_cut, *spelt])
    ours, theirs = known["zip_code"].str.strip(), known["zip_code_in_feed"]
    matches["zip_code"] = ours.str[:ZIP_WIDTH] == theirs.str[:ZIP_WIDTH]
    return matches


def _spellings(state: pd.Series[str]) -> list[pd.Series[str]]:
    """Returns states as they were sent, by code, and by name."""
    return [state, state.map(CODES).fillna(state), state.map(STATES).fillna(state)]


def _is_inside(lines: list[pd.Series[str]], sought: pd.Series[str]) -> pd.Series[bool]:
    """Says for each row whether a text stands in one of some lines, in whole words."""
    words = (" " + sought.astype("str") + " ").to_numpy(dtype=str)
    inside = [
        np.char.find((" " + line.str.replace(",", " ") + " ").to_numpy(dtype=str), words) >= 0
        for line in lines
    ]
    is_inside: NDArray[np.bool_] = np.logical_or.reduce([*inside, sought.to_numpy() == ""])
    return pd.Series(is_inside, index=sought.index)


def _is_cut(
    lines: list[pd.Series[str]], city: pd.Series[str], states: list[pd.Series[str]]
) -> pd.Series[bool]:
    """Says for each row whether a line is the city and the beginning of the state, cut."""
    forms = [(city + gap + state).str[:ADDRESS_WIDTH] for state in states for gap in (" ", ", ")]
    are_forms = [line.str.strip() == form.str.strip() for line in lines for form in forms]
    is_form: NDArray[np.bool_] = np.logical_or.reduce(are_forms)
    return pd.Series(is_form, index=city.index)


def _as_kept(values: pd.Series[str]) -> pd.Series[str]:
    """Returns values as BDN keeps them."""
    return values.str.upper().str[:ADDRESS_WIDTH].str.strip()


def _said(matches: pd.DataFrame) -> pd.DataFrame:
    """Puts together what a feed says of each line: of several about one, a confirming one counts.

    Args:
        matches: line_number, and for each field compared whether it is as sent.
    """
    compared = [name for name in matches if name != "line_number"]
    agreed = matches.assign(
        is_confirmed=matches[compared].all(axis="columns") if compared else True
    )
    agreed = agreed.sort_values("is_confirmed", ascending=False, kind="stable")
    agreed = agreed.drop_duplicates("line_number").sort_values("line_number", ignore_index=True)
    named = [agreed[name].map({True: "", False: f"{name},"}).astype("str") for name in compared]
    contradicting = sum(named[1:], start=named[0]) if named else pd.Series(dtype="str")
    fields = contradicting.str.rstrip(",")
    return pd.DataFrame(
        {
            "line_number": agreed["line_number"],
            "evidence": np.where(agreed["is_confirmed"], CONFIRMED, CONTRADICTED),
            "fields": fields.where(fields != "", None),
        }
    ).astype({"evidence": "str", "fields": "str"})
