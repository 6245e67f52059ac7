"""Texts from outside, made harmless for the place where they are shown.

E-mail addresses, notes, names of users and objects, reason codes and what S3 answers are written by
others. Each place has signs of its own that such a text could use: escape sequences at a terminal,
formulas in a spreadsheet, mentions in Slack, tags in HTML, a second line in a log.
"""

from __future__ import annotations

import html
import re
import unicodedata
from enum import Enum, auto

PLAIN_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BEGINS_A_FORMULA = ("=", "+", "-", "@")
SLACK_SIGNS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Outlet(Enum):
    """Where a text is shown."""

    TERMINAL = auto()
    CSV = auto()
    SLACK = auto()
    HTML = auto()
    LOG = auto()


def let_out(text: str, outlet: Outlet) -> str:
    r"""Returns a text as it may be shown in a place; what can't be seen is spelled (`\u202e`).

    Args:
        text: one field, whoever wrote it.
        outlet: where it is shown. Slack's messages keep their line breaks.
    """
    if outlet is Outlet.SLACK:
        return "\n".join(visible(line) for line in text.split("\n")).translate(SLACK_SIGNS)
    seen = visible(text)
    if outlet is Outlet.HTML:
        return html.escape(seen)
    if outlet is Outlet.CSV and _begins_a_formula(seen):
        return f"'{seen}"
    return seen


def visible(text: str) -> str:
    """Returns a text of which every character can be seen and moves none of the others."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(one) if unicodedata.category(one) in UNSEEN else one for one in text)


def plain_code(code: str, status: int) -> str:
    """Returns what a service calls an error if that is a name, and its HTTP status if not."""
    return code if PLAIN_CODE.fullmatch(code) else f"status {status}"


def _begins_a_formula(text: str) -> bool:
    return unicodedata.normalize("NFKC", text).lstrip().startswith(BEGINS_A_FORMULA)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
