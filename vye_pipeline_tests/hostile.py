"""A text that does something wherever it is shown raw: terminal, CSV, Slack, HTML, log."""

from __future__ import annotations

import unicodedata

# What a note may be: printable.
PRINTABLE = '=HYPERLINK("http://evil.example")<!channel><script>alert(1)</script>&`rm`'
HOSTILE = f"{PRINTABLE}\x1b]0;owned\x07\x9b31m\u202e\u2028"
UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
FORMULAS = ("=", "+", "-", "@")


def unseen(text: str) -> set[str]:
    """Returns the characters of a text that can't be seen, but for the ends of its lines."""
    return {one for one in text if unicodedata.category(one) in UNSEEN and one != "\n"}
