"""Which partition looks at a folder of BDN's: on its day, or on the next business day."""

from __future__ import annotations

from datetime import datetime

import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.orchestration.arrivals import partition_of
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.settings import load_settings


@pytest.mark.parametrize(
    ("folder", "now", "partition"),
    [
        ("2025-07-03", "2025-07-03T06:00", "2025-07-03"),
        ("2025-07-04", "2025-07-04T06:00", None),
        ("2025-07-04", "2025-07-07T05:00", "2025-07-07"),
        ("2025-07-05", "2025-07-08T06:00", "2025-07-07"),
        ("2025-07-08", "2025-07-07T20:00", None),
        ("2025-07-08", "2025-07-08T05:00", "2025-07-08"),
        ("2025-02-30", "2025-07-08T05:00", None),
        ("2020-01-02", "2025-07-08T05:00", None),
    ],
)
def test_a_folder_is_looked_at_by_its_day_or_the_next_business_day(
    folder: str, now: str, partition: str | None
) -> None:
    settings = load_settings()
    with partition_loading_context(
        effective_dt=datetime.fromisoformat(now).replace(tzinfo=NEW_YORK)
    ):
        partitions = business_day_partitions(settings)
        assert partition_of(folder, partitions, settings.calendar) == partition
