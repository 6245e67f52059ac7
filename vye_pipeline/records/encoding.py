"""How a column's text becomes a field's: pure functions over whole Arrow columns.

Arrow is loaded by the function that uses it: reading the declarations alone doesn't load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from vye_pipeline.columns.text import TextBytes

SSN_WIDTH = 9
TD_NUMBER = (7, 8, 0, 1, 2, 3, 4, 5, 6)  # which digits of an SSN, in order
DATE_WIDTH = len("2024-02-29")
COMPACT_DATE = (0, 1, 2, 3, 5, 6, 8, 9)
ROUTING_NUMBER_WIDTH = 9
LEAST_DIGITS_OF_A_DASHED_PHONE = 7
PLACES_OF_DASHES = (3, 7)


def as_it_is(values: pa.Array) -> pa.Array:
    """Returns the values themselves."""
    return values


def compact_date(values: pa.Array) -> pa.Array:
    """Writes 2024-02-29 as 20240229."""
    from vye_pipeline.columns.text import byte_rows, from_byte_rows

    return from_byte_rows(byte_rows(values, DATE_WIDTH).take(COMPACT_DATE, axis=1))


def ssn(values: pa.Array) -> pa.Array:
    """Pads an SSN with zeros on the left to 9 digits."""
    import pyarrow.compute as pc

    return pc.ascii_lpad(values, SSN_WIDTH, "0")


def td_number(values: pa.Array) -> pa.Array:
    """Moves the last two digits of an SSN to the front: 123456789 becomes 891234567."""
    from vye_pipeline.columns.text import byte_rows, from_byte_rows

    return from_byte_rows(byte_rows(ssn(values), SSN_WIDTH).take(TD_NUMBER, axis=1))


def phone(values: pa.Array) -> pa.Array:
    """Keeps the digits and, of seven or more, dashes after the third and the sixth."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = digits(values)
    bare, is_long = kept.array(), kept.lengths >= LEAST_DIGITS_OF_A_DASHED_PHONE
    if not is_long.any():
        return bare
    dashed = bare.view(pa.binary())
    for place in PLACES_OF_DASHES:
        dashed = pc.binary_replace_slice(dashed, place, place, b"-")
    return pc.if_else(pa.array(is_long), dashed.view(pa.string()), bare)


def digits(values: pa.Array) -> TextBytes:
    """Returns the ASCII digits of each value."""
    import numpy as np

    from vye_pipeline.columns.text import TextBytes, text_bytes

    given = text_bytes(values)
    is_digit = (given.codes >= ord("0")) & (given.codes <= ord("9"))
    if is_digit.all():
        return given
    kept_before = np.concatenate([[0], np.cumsum(is_digit, dtype=np.int32)])
    return TextBytes(given.codes[is_digit], kept_before[given.offsets])


def acct_type(values: pa.Array) -> pa.Array:
    """Writes checking as C and savings as S."""
    import pyarrow.compute as pc

    from vye_pipeline.columns.text import cut

    return pc.ascii_upper(cut(values, 0, 1))


def routing_number_body(values: pa.Array) -> pa.Array:
    """Returns a routing number's first eight digits."""
    from vye_pipeline.columns.text import byte_rows, from_byte_rows

    return from_byte_rows(byte_rows(values, ROUTING_NUMBER_WIDTH)[:, :-1])


def routing_number_check_digit(values: pa.Array) -> pa.Array:
    """Returns a routing number's ninth digit."""
    from vye_pipeline.columns.text import byte_rows, from_byte_rows

    return from_byte_rows(byte_rows(values, ROUTING_NUMBER_WIDTH)[:, -1:])
