"""A queued run knows its partition, and older days come before newer ones."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG

from vye_pipeline.orchestration import run_queue
from vye_pipeline.orchestration.run_queue import OldestFirst

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "vye_pipeline"), "job"
)
OLDER, NEWER = "2025-04-01", "2025-04-02"


def of_asset_page(day: str) -> dict[str, str]:
    """Returns the tag that a run of one partition has."""
    return {"dagster/partition": day}


def of_backfill(day: str, last: str = "") -> dict[str, str]:
    """Returns the tags that a backfill with a policy gives its runs."""
    return {
        "dagster/asset_partition_range_start": day,
        "dagster/asset_partition_range_end": last or day,
    }


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    queue = {"module": run_queue.__name__, "class": OldestFirst.__name__}
    quiet = {"enabled": False}
    with dg.DagsterInstance.local_temp(
        overrides={"run_coordinator": queue, "telemetry": quiet}
    ) as opened:
        yield opened


@dg.op
def nothing() -> None:
    """Does nothing."""


@dg.job
def job() -> None:
    """Does nothing."""
    nothing()


def queued(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    """Returns a run after it was queued."""
    run = instance.create_run_for_job(job, tags=tags, remote_job_origin=ORIGIN)
    workspace: Any = SimpleNamespace()
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace))
    return cast(dg.DagsterRun, instance.get_run_by_id(run.run_id))


@pytest.mark.parametrize("tags", [of_asset_page, of_backfill])
def test_a_run_is_tagged_with_its_partition_and_older_ones_come_first(
    instance: dg.DagsterInstance, tags: Any
) -> None:
    older, newer = (queued(instance, tags(day)) for day in (OLDER, NEWER))
    assert older.status == newer.status == dg.DagsterRunStatus.QUEUED
    assert older.tags["dagster/partition"] == OLDER
    assert int(older.tags[PRIORITY_TAG]) > int(newer.tags[PRIORITY_TAG])


@pytest.mark.parametrize("tags", [{}, of_backfill(OLDER, NEWER), of_asset_page("all")])
def test_a_run_of_no_one_day_gets_no_priority(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    assert PRIORITY_TAG not in queued(instance, tags).tags
