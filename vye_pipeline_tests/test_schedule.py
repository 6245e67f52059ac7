"""The schedule, asked offline what it would start."""

from __future__ import annotations

from datetime import date, datetime

import dagster as dg
import pytest

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.schedules import egress_schedule
from vye_pipeline.settings import load_settings


def requested(day: date) -> object:
    partitions = business_day_partitions(load_settings(start_date=date(2025, 4, 1)))
    moment = datetime(day.year, day.month, day.day, 5, 45, tzinfo=NEW_YORK)
    context = dg.build_schedule_context(scheduled_execution_time=moment)
    return egress_schedule(partitions)(context)


def test_a_business_day_starts_its_own_partition_once() -> None:
    request = requested(date(2025, 4, 7))
    assert isinstance(request, dg.RunRequest)
    assert (request.run_key, request.partition_key) == ("2025-04-07", "2025-04-07")


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2025, 7, 4), "2025-07-04 is no business day: Independence Day"),
        (date(2025, 3, 31), "2025-03-31 is no partition"),
    ],
)
def test_other_days_are_skipped_with_the_reason(day: date, text: str) -> None:
    skipped = requested(day)
    assert isinstance(skipped, dg.SkipReason)
    assert text in str(skipped.skip_message)


def test_the_partitions_are_the_business_days() -> None:
    partitions = business_day_partitions(load_settings(start_date=date(2025, 4, 1)))
    keys = partitions.get_partition_keys(current_time=datetime(2025, 7, 8, tzinfo=NEW_YORK))
    assert keys[0] == "2025-04-01"
    assert keys[-1] == "2025-07-08"
    assert not {"2025-04-05", "2025-05-26", "2025-07-04"} & set(keys)
