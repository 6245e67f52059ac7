"""The executor of all runs, by the settings."""

from __future__ import annotations

import dagster as dg
import pytest

from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.jobs import EGRESS, RECONCILE
from vye_pipeline.settings import load_settings

IMPLICIT_JOB = "__ASSET_JOB"  # what the pages of assets start


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, dg.in_process_executor),
        ("dagster:multiprocess_executor", dg.multiprocess_executor),
    ],
)
def test_every_job_is_executed_as_the_setting_says(
    setting: str | None, expected: dg.ExecutorDefinition
) -> None:
    settings = load_settings(executor=setting) if setting else load_settings()
    definitions = build_definitions(Context(settings))
    for job in (EGRESS, RECONCILE, IMPLICIT_JOB):
        assert definitions.resolve_job_def(job).executor_def is expected


@pytest.mark.parametrize("name", ["dagster:materialize", "nowhere:executor", "dagster:nothing"])
def test_what_is_no_executor_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=f"VYE_EXECUTOR .*{name}"):
        build_definitions(Context(load_settings(executor=name)))
