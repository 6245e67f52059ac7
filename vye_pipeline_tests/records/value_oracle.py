"""What becomes of one typed value, by the words of docs/bdn-interface.md alone.

A character at a time and without the pipeline's own code: what it says is right has to be agreed
upon twice.
"""

from __future__ import annotations

import unicodedata

APOSTROPHES = {0x2018, 0x2019, 0x201B, 0x02B9, 0x02BB, 0x02BC, 0x2032, 0x00B4, 0x0060}
QUOTES = {0x201C, 0x201D, 0x201E, 0x2033}
DASHES = {*range(0x2010, 0x2016), 0x2212}
LINE_BREAKS = {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029}
LOSE_BLANKS = {"ssn", "acct_no", "routing_no", "acct_type", "source_ind", "email"}
PHONES = {"phone", "phone2", "bank_phone"}
ASCII_DIGITS = set("0123456789")
OPTIONAL = {"file_number", "phone2", "address2", "address3", "address4", "state", "zip_code"}
FIXED_WIDTHS = {"stub_nm": 7, "rpo_code": 3, "indicator": 1, "source_ind": 1}


def sendable(column: str, text: str, *, is_separated: bool) -> str | None:
    """Returns a value as it is sent, before its field's format; None where it is held back."""
    if column in PHONES:
        value = "".join(one for one in text if one in ASCII_DIGITS)
        return value if value or column in OPTIONAL else None
    if column == "email":
        return _email(text)
    value = _typed_plainly(_spaced(_unaccented(_visible(text))))
    if is_separated:
        value = value.replace(",", " ")
    if column in LOSE_BLANKS:
        value = value.strip(" ")
    return value if _is_right(column, value, is_separated=is_separated) else None


def _email(text: str) -> str | None:
    value = _spaced(_visible(text)).strip(" ")
    if not value or any(one in " ,`" or not " " <= one <= "~" for one in value):
        return None
    return value


def _visible(text: str) -> str:
    return "".join(one for one in text if unicodedata.category(one) != "Cf")


def _unaccented(text: str) -> str:
    kept: list[str] = []
    follows_letter = False
    for one in unicodedata.normalize("NFD", text):
        if unicodedata.combining(one) and follows_letter:
            continue
        name = unicodedata.name(one, "")
        follows_letter = unicodedata.category(one)[0] == "L" and "LATIN" in name.split()
        kept.append(one)
    return "".join(kept)


def _spaced(text: str) -> str:
    spaced: list[str] = []
    for place, one in enumerate(text):
        if one == "\n" and place and text[place - 1] == "\r":
            continue
        is_space = ord(one) in LINE_BREAKS or unicodedata.category(one) == "Zs"
        spaced.append(" " if is_space else one)
    return "".join(spaced)


def _typed_plainly(text: str) -> str:
    plain: list[str] = []
    for one in text:
        code = ord(one)
        if code in APOSTROPHES:
            plain.append("'")
        elif code in QUOTES:
            plain.append('"')
        elif code in DASHES:
            plain.append("-")
        else:
            plain.append("..." if code == 0x2026 else one)
    return "".join(plain)


def _is_right(column: str, value: str, *, is_separated: bool) -> bool:
    if any(not " " <= one <= "~" for one in value):
        return False
    if not is_separated and len(value) > FIXED_WIDTHS.get(column, len(value)):
        return False
    if not value.strip(" "):
        return column in OPTIONAL
    if column == "ssn":
        return _is_number(value, 1, 9)
    if column == "acct_no":
        return _is_number(value, 1, 17)
    if column == "routing_no":
        return _is_number(value, 9, 9) and _has_check_digit(value)
    if column == "acct_type":
        return value in ("checking", "savings")
    if column == "source_ind":
        return value in ("W", "P")
    return True


def _is_number(value: str, least: int, most: int) -> bool:
    return least <= len(value) <= most and set(value) <= ASCII_DIGITS and set(value) != {"0"}


def _has_check_digit(value: str) -> bool:
    total = 0
    for place, digit in enumerate(value):
        total += int(digit) * (3, 7, 1)[place % 3]
    return total % 10 == 0
