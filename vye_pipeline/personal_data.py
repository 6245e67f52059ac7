"""What looks like personal data, in texts that people and other systems make up.

The ledger, the views and the logs keep no personal data. A note that holds some is refused; of a
text that isn't known to be harmless, only length and classes of characters are shown.
"""

from __future__ import annotations

import re
import unicodedata

from vye_pipeline.errors import UsageError

E_MAIL = re.compile(r"[^\s@]@[^\s@]")
DATE_OR_TIME = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b|\b[0-9]{1,2}:[0-9]{2}\b")
TELEPHONE = re.compile(r"(?<![0-9])[0-9]{3}[-. ][0-9]{4}(?![0-9])")
ACCOUNT = re.compile(
    r"(?i)\b(?:acc(?:oun)?t|routing|ssn|card|pin)\w*(?:\W{1,3}\w+){0,2}?\W{0,3}\b\d{4}"
)
NUMBERS = re.compile(r"\d(?:[^\w,;:]{0,3}\d)*")
LONGEST_NUMBER = 7
CLASSES = {"L": "letters", "N": "digits", "P": "punctuation", "S": "symbols", "Z": "blanks"}


def looks_like(text: str) -> str | None:
    """Says what personal data a text seems to hold, None if it seems to hold none.

    Dates (2025-04-01) and times (08:30) pass, as do numbers of up to seven digits: ids and tickets.
    """
    plain = DATE_OR_TIME.sub(" date ", unicodedata.normalize("NFKC", text))
    if E_MAIL.search(plain):
        return "an e-mail address"
    if TELEPHONE.search(plain):
        return "a telephone number"
    longest = max((sum(map(str.isdigit, run)) for run in NUMBERS.findall(plain)), default=0)
    if longest > LONGEST_NUMBER or ACCOUNT.search(plain):
        return "an SSN, a telephone number or an account"
    return None


def checked_note(text: str) -> str:
    """Returns an operator's note or reason on one line, fit to be kept.

    Raises:
        UsageError: it is empty, holds what can't be printed, or what looks like personal data.
    """
    note = " ".join(text.split())
    if not note:
        raise UsageError("the text is empty: say why")
    if not note.isprintable():
        raise UsageError("the text holds characters that can't be printed: write it without them")
    found = looks_like(note)
    if found:
        raise UsageError(
            f"the text holds what looks like {found}, and the ledger keeps no personal data: "
            "name user profiles and records by their ids, days as 2025-04-01, and leave it out"
        )
    return note


def shape(text: str) -> str:
    """Describes a text without showing it: `11 characters: digits, punctuation`."""
    classes = {CLASSES.get(unicodedata.category(one)[0], "others") for one in text}
    noun = "character" if len(text) == 1 else "characters"
    return f"{len(text)} {noun}" + (f": {', '.join(sorted(classes))}" if classes else "")
