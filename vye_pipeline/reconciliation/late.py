"""What an answer says of a file whose content has expired: by line numbers alone.

A settled file has an answer to each line. What BDN read can't be compared with what was sent any
more, so a later answer confirms a status, gives one to a line that was missing, or contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from vye_pipeline.bdn.acknowledgement import Acknowledgement
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.records.statuses import UNSENT, Status

KEY = "acknowledgement_key"
CANNOT_BE_TOLD = (Status.MISMATCHED, Status.CONFLICTING, *UNSENT)


def matched_by_number(
    standing: pd.DataFrame, acknowledgements: Sequence[Acknowledgement]
) -> pd.DataFrame:
    """Returns how the records of a file stand, with what later answers say of their lines.

    Args:
        standing: line_number, status, reason_code, fields, acknowledgement_key and others: one row
            a record.
        acknowledgements: those that can be read.

    Returns:
        The same columns and rows.
    """
    verdicts = pd.concat([_nothing(), *_verdicts(standing, acknowledgements)], ignore_index=True)
    verdicts = verdicts.drop_duplicates(["line_number", "status"])
    is_split = verdicts["line_number"].duplicated(keep=False)
    verdicts["status"] = verdicts["status"].mask(is_split, str(Status.CONFLICTING))
    verdicts = verdicts.drop_duplicates("line_number", keep="last").set_index("line_number")
    said = verdicts.reindex(standing["line_number"]).set_index(standing.index)
    is_known = standing["status"].isin([str(status) for status in CANNOT_BE_TOLD])
    is_news = said["status"].notna() & (said["status"] != standing["status"]) & ~is_known
    was_missing = standing["status"] == str(Status.MISSING)
    told = said["status"].where(was_missing, str(Status.CONFLICTING))
    return standing.assign(
        status=told.where(is_news, standing["status"]),
        **{name: said[name].where(is_news, standing[name]) for name in ("reason_code", KEY)},
    )


def _verdicts(
    standing: pd.DataFrame, acknowledgements: Sequence[Acknowledgement]
) -> Iterator[pd.DataFrame]:
    """Yields what each acknowledgement says: line_number, status, reason_code, and its key."""
    lines = standing["line_number"].dropna().astype("int64")
    accepted, rejected = str(Status.ACKNOWLEDGED), str(Status.REJECTED)
    for one in acknowledgements:
        listed = one.details[["line_number", "reason_code"]].assign(
            status=np.where(one.details["is_accepted"], accepted, rejected)
        )
        listed["reason_code"] = listed["reason_code"].replace("", None)
        if one.disposition is Disposition.REFUSED:
            listed = _all(lines, rejected, one.reason_code)
        elif one.disposition is Disposition.REJECTS_ONLY:
            unlisted = lines[~lines.isin(listed["line_number"]) & (lines <= one.lines_received)]
            listed = pd.concat([listed, _all(unlisted, accepted, None)])
        yield listed.assign(**{KEY: one.place})


def _all(lines: pd.Series[int], status: str, reason_code: str | None) -> pd.DataFrame:
    return pd.DataFrame({"line_number": lines, "status": status, "reason_code": reason_code})


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(columns=["line_number", "status", "reason_code", KEY])
