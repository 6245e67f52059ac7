"""What the UI's pages need: a description, an owner and a meaning for everything shown."""

from __future__ import annotations

from vye_pipeline.definitions import defs
from vye_pipeline.orchestration.schemas import COLUMN_SCHEMA

GRAPH = defs.resolve_asset_graph()
WITH_COLUMNS = {"export_ready", "upload_file", "reconciliation", "manual_reconciliation"}


def test_every_asset_says_what_it_is_whose_it_is_and_of_which_stage() -> None:
    for key in GRAPH.get_all_asset_keys():
        node = GRAPH.get(key)
        assert node.description, key
        assert node.owners == ["team:vebt"], key
        assert node.group_name != "default", key
        assert node.kinds, key


def test_every_table_explains_its_columns() -> None:
    for key in GRAPH.get_all_asset_keys():
        if key.path[-1] in WITH_COLUMNS:
            schema = GRAPH.get(key).metadata[COLUMN_SCHEMA]
            assert all(column.description for column in schema.columns), key


def test_every_check_job_schedule_and_sensor_says_what_it_is_for() -> None:
    repository = defs.get_repository_def()
    checks = [GRAPH.get_check_spec(key) for key in GRAPH.asset_check_keys]
    assert checks
    assert all(check.description for check in checks)
    assert all(schedule.description for schedule in repository.schedule_defs)
    assert all(sensor.description for sensor in repository.sensor_defs)
    assert all(repository.get_job(name).description for name in ("egress", "reconcile"))


def test_whatever_runs_by_itself_is_on() -> None:
    repository = defs.get_repository_def()
    states = {one.default_status.value for one in repository.schedule_defs}
    states |= {one.default_status.value for one in repository.sensor_defs}
    assert states == {"RUNNING"}
