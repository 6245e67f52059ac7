"""What a transfer may have done to a file of BDN's (bdn-interface.md, parts 3 and 4).

It may write a line end as LF, CR LF or CR CR LF, begin the file with a byte order mark, and end it
with NUL or 0x1A bytes. What else is wrong with a file is told by what it looks like; what stands in
it may be personal, and is told by its length and the class of its characters.
"""

from __future__ import annotations

import re

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PADDING = b"\0\x1a\r\n "
RECORD_LENGTH_BYTES = 4
SAMPLE = 4_096  # bytes: enough to tell an encoding by
EBCDIC_BLANK, EBCDIC_FIRST_LETTER = 0x40, 0xC1
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
ARCHIVES = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
CLASSES = {"digits": r"[0-9]", "letters": r"[A-Za-z]", "blanks": r" "}


def plain_text(content: bytes) -> bytes:
    """Returns a file as BDN wrote it: its lines, each ended by LF alone, and nothing around them.

    Blanks at the ends of lines stay, but for those of the last one.
    """
    text = content.removeprefix(BYTE_ORDER_MARK).rstrip(PADDING)
    if not text:
        return b""
    if b"\r" in text:
        text = text.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n")
    return text + b"\n"


def looks_like(content: bytes, longest_line: int) -> str | None:
    """Says what a file looks like that can't be read, None where nothing is conspicuous.

    Args:
        content: its bytes.
        longest_line: characters that the first line may have.
    """
    text = content.rstrip(PADDING)
    if not text:
        return "nothing but NUL or 0x1A bytes" if content.strip() else None
    sample = text[:SAMPLE]
    if sample.startswith(UTF_16_MARKS) or _is_mostly(sample[1::2], 0, 0):
        return "UTF-16"
    if _is_mostly(sample[::2], 0, 0):
        return "UTF-16 (big-endian)"
    if sample.startswith(ARCHIVES):
        return "a compressed file"
    if _has_record_lengths(content):
        return "records with a length in front (RDW), not lines"
    if _is_mostly(sample, EBCDIC_FIRST_LETTER, 0xFF, also=EBCDIC_BLANK):
        return "EBCDIC"
    if sample.lstrip().startswith(b"<"):
        return "a web page or XML"
    if b"\n" not in text and b"\r" in text:
        return "lines that are ended by CR alone"
    if b"\n" not in text and len(text) > longest_line:
        return "one line: there are no line ends"
    return None


def described(text: str) -> str:
    """Says what a text is without repeating it: `9 digits`, `24 characters (letters, digits)`."""
    classes = [name for name, one in CLASSES.items() if re.search(one, text)]
    if re.search(r"[^0-9A-Za-z ]", text):
        classes.append("others")
    if len(classes) == 1 and classes[0] in CLASSES:
        return f"{len(text)} {classes[0]}"
    return f"{len(text)} characters ({', '.join(classes)})" if text else "nothing"


def _is_mostly(sample: bytes, first: int, last: int, *, also: int = -1) -> bool:
    """Says whether at least three quarters of some bytes lie between two, or are a third."""
    fit = sum(first <= byte <= last or byte == also for byte in sample)
    return len(sample) > 1 and fit * 4 >= len(sample) * 3


def _has_record_lengths(content: bytes) -> bool:
    """Says whether a file begins with a mainframe's record descriptor word, and a second follows.

    It is the length of a record, its own four bytes among them, and two bytes of zero.
    """
    length = int.from_bytes(content[:2], "big")
    if content[2:RECORD_LENGTH_BYTES] != b"\0\0" or length <= RECORD_LENGTH_BYTES:
        return False
    return length >= len(content) or content[length + 2 : length + RECORD_LENGTH_BYTES] == b"\0\0"
