"""Notes that hold personal data are refused, and unknown texts are described, never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.errors import UsageError
from vye_pipeline.personal_data import checked_note, looks_like, shape

SEPARATORS = ["", "-", " ", ".", "/", "·", " - ", "\u2011"]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("parts", [(3, 2, 4), (3, 3, 4), (5, 4), (2, 7), (4, 4, 4, 4)])
def test_numbers_of_a_person_are_refused_however_they_are_parted(
    separator: str, parts: tuple[int, ...]
) -> None:
    number = separator.join("9" * width for width in parts)
    with pytest.raises(UsageError, match="looks like"):
        checked_note(f"called back on {number} today")


@pytest.mark.parametrize(
    "text",
    [
        "wrote to jane@example.com",
        "jane\uff20example.com",
        "call 555-0100",
        "call (555) 555-0100",
        "+1 555 555 0100",
        "account 4711",
        "acct no. 12345",
        "SSN ends in 6789",
        "\uff19\uff10\uff10\uff11\uff12\uff13\uff14\uff15\uff16",
        "\u0669\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666",
    ],
)
def test_what_points_at_a_person_is_refused(text: str) -> None:
    assert looks_like(text)
    with pytest.raises(UsageError) as refused:
        checked_note(text)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "entered in BDN on 2025-04-01 at 08:30",
        "INC0012345: BDN has confirmed lines 3, 17 and 1204",
        "profile 1234567 has been merged, records 12 and 13 of 2025-04-01 and 2025-04-02",
        "reason R014; 2 of 3 accepted",
    ],
)
def test_an_honest_note_passes(text: str) -> None:
    assert checked_note(f"  {text}\n") == text


@pytest.mark.parametrize("text", ["", "  \n", "done\x1b[2J", "done\u202e"])
def test_a_note_can_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        checked_note(text)


@given(st.text(alphabet="0123456789ABCabc-._ é\x1b", min_size=1))
def test_a_shape_tells_lengths_and_classes_only(text: str) -> None:
    described = shape(text)
    assert described.startswith(f"{len(text)} character")
    assert shape("".join(reversed(text))) == described


def test_a_shape_of_an_ssn() -> None:
    assert shape("900-12-3456") == "11 characters: digits, punctuation"
