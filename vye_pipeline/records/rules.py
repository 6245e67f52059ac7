"""The rules a value must keep to be sent, each with its code and its meaning in words.

A rule is a predicate over a whole column of normalised text. Blank values are the business of
`REQUIRED` alone: every other rule lets them pass (bdn-interface.md, part 1, "What a line may
contain").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Text: TypeAlias = "pd.Series[str]"
Mask: TypeAlias = "pd.Series[bool]"


TOO_WIDE = "too_wide"


@dataclass(frozen=True)
class Rule:
    """One condition on a column.

    Attributes:
        code: what findings and reports carry.
        meaning: the same for a person, completing the sentence "<field> …".
        holds: says for each value of a column whether it keeps the rule.
    """

    code: str
    meaning: str
    holds: Callable[[Text], Mask]


def blank(values: Text) -> Mask:
    """Says which values hold nothing but spaces."""
    return values.str.strip(" ") == ""


def matching(code: str, meaning: str, pattern: str) -> Rule:
    """Returns the rule that a value is blank or matches a pattern from end to end."""
    return Rule(code, meaning, lambda values: values.str.fullmatch(f" *|{pattern}"))


def at_most(width: int) -> Rule:
    """Returns the rule that a value fits into a fixed width."""
    return Rule(TOO_WIDE, MEANINGS[TOO_WIDE], lambda values: values.str.len() <= width)


def _is_printable_ascii(values: Text) -> Mask:
    """Looks at all characters at once, and at each value only where some character is bad."""
    import pandas as pd

    from vye_pipeline.columns.text import text_array, text_bytes

    codes = text_bytes(text_array(values)).codes
    if ((codes >= ord(" ")) & (codes <= ord("~"))).all():
        return pd.Series(True, index=values.index)
    return values.str.fullmatch("[ -~]*")


def _has_valid_check_digit(values: Text) -> Mask:
    """Applies the ABA weights 3, 7, 1 to the values of nine digits; the others pass."""
    import numpy as np
    import pandas as pd

    from vye_pipeline.columns.text import byte_rows, text_array

    nine_digits = values.str.fullmatch("[0-9]{9}")
    digits = byte_rows(text_array(values.where(nine_digits, "000000000")), 9) - ord("0")
    is_valid = digits @ np.array([3, 7, 1] * 3) % 10 == 0
    return pd.Series(is_valid, index=values.index)


REQUIRED = Rule("required", "is required and is blank", lambda values: ~blank(values))
PRINTABLE_ASCII = Rule(
    "not_ascii",
    "holds characters that BDN can't read",
    _is_printable_ascii,
)
SSN = matching("ssn", "is not a number of at most 9 digits", "[0-9]{1,9}")
DATE = matching("date", "is not a date", "[0-9]{4}-[0-9]{2}-[0-9]{2}")
SOURCE_IND = matching("source_ind", "is neither W nor P", "[WP]")
ACCT_TYPE = matching("acct_type", "is neither checking nor savings", "checking|savings")
ACCT_NO = matching("acct_no", "is not a number of 1 to 17 digits", "[0-9]{1,17}")
ROUTING_NO = matching("routing_no", "is not a number of 9 digits", "[0-9]{9}")
ROUTING_CHECK_DIGIT = Rule(
    "routing_check_digit", "has a check digit that does not fit", _has_valid_check_digit
)
NOT_ZEROS = Rule("zeros", "is all zeros", lambda values: ~values.str.fullmatch("0+"))
# A grave accent would be sent as an apostrophe: another mailbox.
EMAIL = matching("email", "holds a blank, a comma or a character that would be changed", "[^ ,`]*")

# What a record hangs from: the code of one that hangs from nothing. No join drops it.
PLACES = {
    "user_info_id": "no_user_info",
    "user_profile_id": "no_user_profile",
    "bdn_clone_id": "no_bdn_clone",
    "created_at": "no_time",
}

MEANINGS = {
    rule.code: rule.meaning
    for rule in (
        REQUIRED,
        PRINTABLE_ASCII,
        SSN,
        DATE,
        SOURCE_IND,
        ACCT_TYPE,
        ACCT_NO,
        ROUTING_NO,
        ROUTING_CHECK_DIGIT,
        NOT_ZEROS,
        EMAIL,
    )
} | {
    TOO_WIDE: "is too long for its place in the line",
    "no_user_info": "names no row of vye_user_infos",
    "no_user_profile": "names no row of vye_user_profiles",
    "no_bdn_clone": "names no row of vye_bdn_clones",
    "no_time": "is no time that can be read",
    "key": "can't be decrypted: its row's data key doesn't open",
    "text": "can't be decrypted: it is damaged, or another row's",
    "encoding": "can't be read: what was encrypted is not UTF-8",
    "ambiguous": "can't be told: the identity service knows several people, or another one",
    "deceased": "is sent though the identity service says that the veteran has died",
    "identity_theft": "is sent though the identity service has a flag of identity theft",
}


def in_words(code: str, field: str) -> str:
    """Says what is wrong with a field that breaks a rule, for reports."""
    return f"{field} {MEANINGS.get(code, code)}"
