"""The schedule, asked offline what it would start."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import insert

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.business_days import FEDERAL_CALENDAR, NEW_YORK, cut_off
from vye_pipeline.context import Context
from vye_pipeline.errors import upload_error
from vye_pipeline.orchestration.jobs import EGRESS_STAGES
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.orchestration.schedules import egress_schedule, retry_schedule
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import load_settings
from vye_pipeline.vye_database.creation import create_tables
from vye_pipeline.vye_database.tables import BdnClone
from vye_pipeline_tests.integration.daemon import open_history


def activated_world(folder: Path, activated_on: date | None) -> Context:
    """Returns a pipeline whose VYE has closed a clone by activating another at a day's cut-off."""
    pipeline = Context(load_settings(local_dir=folder, start_date=date(2025, 4, 1)))
    create_tables(pipeline.vye.engine())
    if activated_on is not None:
        closed_at = cut_off(activated_on).astimezone(UTC).replace(tzinfo=None)
        values = {"created_at": closed_at, "updated_at": closed_at, "export_ready": True}
        with pipeline.vye.engine().begin() as connection:
            connection.execute(insert(BdnClone).values(transact_date=activated_on, **values))
    return pipeline


def requested(folder: Path, day: date, *, activated_on: date | None) -> object:
    pipeline = activated_world(folder, activated_on)
    moment = datetime(day.year, day.month, day.day, 5, 45, tzinfo=NEW_YORK)
    with open_history() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=moment)
        return egress_schedule(business_day_partitions(pipeline.settings), pipeline)(context)


@pytest.mark.parametrize("activated_on", [date(2025, 4, 7), date(2025, 4, 4)])
def test_a_clone_starts_the_partition_in_whose_window_it_was_closed(
    tmp_path: Path, activated_on: date
) -> None:
    requests = requested(tmp_path, date(2025, 4, 7), activated_on=activated_on)
    assert isinstance(requests, list)
    (request,) = requests
    assert request.partition_key == str(activated_on)
    assert [key.path[-1] for key in request.asset_selection] == list(EGRESS_STAGES) * len(KINDS)


def test_a_day_waits_for_vye_to_activate_its_clone(tmp_path: Path) -> None:
    skipped = requested(tmp_path, date(2025, 4, 8), activated_on=None)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "VYE has not activated the clone of 2025-04-08 yet"


def failed_world(folder: Path, *days: date) -> Context:
    pipeline = Context(load_settings(local_dir=folder, start_date=date(2025, 4, 1)))
    error = upload_error("the upload failed", is_transient=True, next_step="wait")
    for day in days:
        pipeline.ledger.fail(
            day, VERIFICATIONS, error, step="delivery", run_id=None, failed_at=datetime.now(UTC)
        )
    return pipeline


def retried(pipeline: Context, day: date) -> object:
    moment = datetime(day.year, day.month, day.day, 5, 15, tzinfo=NEW_YORK)
    with open_history() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=moment)
        return retry_schedule(business_day_partitions(pipeline.settings), pipeline)(context)


def test_failed_days_are_tried_again_oldest_first_only_what_failed(tmp_path: Path) -> None:
    days = [date(2025, 4, 22), date(2025, 4, 9), date(2025, 4, 11)]
    requests = retried(failed_world(tmp_path, *days), date(2025, 4, 23))
    assert isinstance(requests, list)
    assert [request.partition_key for request in requests] == [
        "2025-04-09",
        "2025-04-11",
        "2025-04-22",
    ]
    keys = {tuple(key.path) for request in requests for key in request.asset_selection}
    assert keys == {
        ("verifications", stage) for stage in ("export_ready", "upload_file", "delivery")
    }
    assert len({request.run_key for request in requests}) == len(requests)


def test_days_that_failed_long_ago_and_holidays_are_left_to_a_person(tmp_path: Path) -> None:
    pipeline = failed_world(tmp_path, date(2025, 4, 8))
    assert isinstance(retried(pipeline, date(2025, 4, 22)), list)
    for day, text in (
        (date(2025, 4, 23), "no partition"),
        (date(2025, 5, 26), "2025-05-26 is no business day: Memorial Day"),
    ):
        skipped = retried(pipeline, day)
        assert isinstance(skipped, dg.SkipReason)
        assert text in str(skipped.skip_message)


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2025, 7, 4), "2025-07-04 is no business day: Independence Day"),
        (date(2025, 3, 31), "2025-03-31 is no partition"),
    ],
)
def test_other_days_are_skipped_with_the_reason(tmp_path: Path, day: date, text: str) -> None:
    skipped = requested(tmp_path, day, activated_on=None)
    assert isinstance(skipped, dg.SkipReason)
    assert text in str(skipped.skip_message)


def test_the_partitions_are_the_business_days() -> None:
    partitions = business_day_partitions(load_settings(start_date=date(2025, 4, 1)))
    keys = partitions.get_partition_keys(current_time=datetime(2025, 7, 8, 5, tzinfo=NEW_YORK))
    assert keys[0] == "2025-04-01"
    assert keys[-1] == "2025-07-08"
    assert not {"2025-04-05", "2025-05-26", "2025-07-04"} & set(keys)


@pytest.mark.parametrize("last", [date(2025, 4, 1), date(2025, 7, 3), date(2025, 8, 29)])
def test_the_last_partition_is_the_end_date(last: date) -> None:
    partitions = business_day_partitions(load_settings(end_date=last))
    assert partitions.get_partition_keys()[-1] == str(last)
    on_its_day = datetime(last.year, last.month, last.day, 6, tzinfo=NEW_YORK)
    assert partitions.get_partition_keys(current_time=on_its_day)[-1] == str(last)
    assert not partitions.has_partition_key(str(FEDERAL_CALENDAR.business_days_after(last, 1)))


CLOSURES = "2025-04-09=Executive order,+2025-05-26"


def test_a_closure_is_no_partition_and_a_worked_holiday_is_one(tmp_path: Path) -> None:
    pipeline = Context(load_settings(local_dir=tmp_path, closures=CLOSURES))
    partitions = business_day_partitions(pipeline.settings)
    keys = partitions.get_partition_keys(current_time=datetime(2025, 7, 8, tzinfo=NEW_YORK))
    assert "2025-04-09" not in keys
    assert {"2025-04-08", "2025-04-10", "2025-05-26"} <= set(keys)
    skipped = retried(pipeline, date(2025, 4, 9))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "2025-04-09 is no business day: Executive order"


def test_a_closure_is_announced_the_business_day_before(tmp_path: Path) -> None:
    pipeline = Context(load_settings(local_dir=tmp_path, closures=CLOSURES))
    create_tables(pipeline.vye.engine())
    tuesday = datetime(2025, 4, 8, 6, tzinfo=NEW_YORK)
    texts = [alarm.text for alarm in alarms(pipeline, tuesday) if alarm.subject == "holidays"]
    assert texts == [
        "2025-04-09 is Executive order: no files go to BDN then; the next ones go on 2025-04-10."
    ]
    friday = datetime(2025, 5, 23, 6, tzinfo=NEW_YORK)
    assert "holidays" not in [alarm.subject for alarm in alarms(pipeline, friday)]
