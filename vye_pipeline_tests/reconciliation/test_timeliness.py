"""An acknowledgement counts if BDN can have had our file when it says that it received it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vye_pipeline.business_days import CHICAGO
from vye_pipeline.reconciliation.timeliness import Ignored, Judgement, judge

TRY = datetime(2025, 4, 7, 9, 45, tzinfo=UTC)
READ = TRY + timedelta(hours=3)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("received_at", "ignored", "hours"),
    [
        (TRY, None, None),
        (TRY - 15 * MINUTE, None, None),
        (TRY - 16 * MINUTE, Ignored.EARLY, 1),
        (TRY + 10 * MINUTE - HOUR, Ignored.EARLY, 1),
        (TRY + 10 * MINUTE - 6 * HOUR, Ignored.EARLY, 6),
        (TRY + 55 * MINUTE - 6 * HOUR, Ignored.EARLY, 5),
        (READ + DAY, None, None),
        (READ + DAY + MINUTE, Ignored.FUTURE, None),
    ],
)
def test_it_must_lie_between_the_try_and_a_day_after_the_read(
    received_at: datetime, ignored: Ignored | None, hours: int | None
) -> None:
    assert judge(received_at, TRY, READ) == Judgement(received_at, ignored, hours)


def test_of_an_ambiguous_hour_the_reading_that_counts_is_taken() -> None:
    first, second = (
        datetime(2025, 11, 2, 1, 30, tzinfo=CHICAGO, fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    assert second - first == HOUR
    assert judge(first, second, second + HOUR) == Judgement(second)
    assert judge(first, first, second + HOUR) == Judgement(first)
    assert judge(first, second + HOUR, second + 2 * HOUR).ignored_because is Ignored.EARLY


@given(st.datetimes(datetime(2025, 1, 1), datetime(2025, 12, 31)), st.integers(1, 24))  # noqa: DTZ001 - zoned below
def test_answers_that_are_early_by_the_same_hours_are_told_by_these(
    naive: datetime, hours: int
) -> None:
    put = naive.replace(microsecond=0, tzinfo=UTC)
    received = put + 20 * MINUTE - hours * HOUR
    judgement = judge(received, put, put + HOUR)
    assert judgement.ignored_because is Ignored.EARLY or _is_ambiguous(received)
    assert judgement.hours_early in (hours, hours - 1, None)


def _is_ambiguous(moment: datetime) -> bool:
    local = moment.astimezone(CHICAGO)
    return local.utcoffset() != local.replace(fold=1).utcoffset()
