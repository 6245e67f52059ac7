"""How a column's text becomes a field's: pure functions over whole Arrow columns.

Arrow is loaded by the function that uses it: whoever only reads the declarations doesn't wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

SSN_WIDTH = 9
LEAST_DIGITS_OF_A_DASHED_PHONE = 7


def as_it_is(values: pa.Array) -> pa.Array:
    """Returns the values themselves."""
    return values


def compact_date(values: pa.Array) -> pa.Array:
    """Writes 2024-02-29 as 20240229."""
    import pyarrow.compute as pc

    return pc.replace_substring(values, "-", "")


def ssn(values: pa.Array) -> pa.Array:
    """Pads an SSN with zeros on the left to 9 digits."""
    import pyarrow.compute as pc

    return pc.ascii_lpad(values, SSN_WIDTH, "0")


def td_number(values: pa.Array) -> pa.Array:
    """Moves the last two digits of an SSN to the front: 123456789 becomes 891234567."""
    import pyarrow.compute as pc

    padded = ssn(values)
    return pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(padded, 7), pc.utf8_slice_codeunits(padded, 0, 7), ""
    )


def phone(values: pa.Array) -> pa.Array:
    """Keeps the digits and, of seven or more, dashes after the third and the sixth."""
    import pyarrow.compute as pc

    digits = pc.replace_substring_regex(values, "[^0-9]", "")
    dashed = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(digits, 0, 3),
        pc.utf8_slice_codeunits(digits, 3, 6),
        pc.utf8_slice_codeunits(digits, 6),
        "-",
    )
    is_long = pc.greater_equal(pc.utf8_length(digits), LEAST_DIGITS_OF_A_DASHED_PHONE)
    return pc.if_else(is_long, dashed, digits)


def acct_type(values: pa.Array) -> pa.Array:
    """Writes checking as C and savings as S."""
    import pyarrow.compute as pc

    return pc.utf8_upper(pc.utf8_slice_codeunits(values, 0, 1))


def routing_number_body(values: pa.Array) -> pa.Array:
    """Returns a routing number's first eight digits."""
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(values, 0, 8)


def routing_number_check_digit(values: pa.Array) -> pa.Array:
    """Returns a routing number's ninth digit."""
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(values, 8)
