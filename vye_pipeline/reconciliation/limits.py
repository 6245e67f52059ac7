"""How large what lies under inbound/ may be: the listing says so, before anything is read.

The limits are generous: an honest answer is far below them.
"""

from __future__ import annotations

MEBIBYTE = 2**20
ORPHAN_BYTES = 64 * MEBIBYTE
FEED_BYTES = 1_024 * MEBIBYTE
LINE_BYTES = 1_024  # of an answer, for each line that was sent; echoed it has a fifth of that


def acknowledgement_bytes(line_count: int) -> int:
    """Returns how large an acknowledgement of a file of so many lines may be."""
    return MEBIBYTE + LINE_BYTES * line_count
