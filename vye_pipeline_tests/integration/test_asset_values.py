"""Assets as Dagster's users load them: documented frames from the ledger, and nothing personal."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import vye_pipeline
from vye_pipeline.definitions import build_definitions
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.columns import PARTITION, RECORD, WORKLIST
from vye_pipeline.ledger.views import VIEWS
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import affected
from vye_pipeline.settings import load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

PACKAGE = Path(vye_pipeline.__file__).parent
UNPICKLING = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """Two days with rejected lines, reconciled."""
    folder = tmp_path_factory.mktemp("world")
    prepared = Rehearsal.prepare(
        load_settings(local_dir=folder, start_date=DAYS[0], end_date=DAYS[-1])
    )
    for day in DAYS[:2]:
        prepared.dawn()
        assert prepared.egress(day) == []
        answer_partition(prepared.outage, day, Faults(reject=2), received_at=at(day, hours=1))
        for kind in KINDS:
            prepared.reconcile(day, kind, at(day, hours=2))
    return prepared


@pytest.fixture(scope="module")
def definitions(rehearsal: Rehearsal) -> dg.Definitions:
    return build_definitions(rehearsal.pipeline, Clock(lambda: at(DAYS[1], hours=3)))


def load(definitions: dg.Definitions, *key: str, day: str = str(DAYS[0])) -> pd.DataFrame:
    value = definitions.load_asset_value(list(key), partition_key=day)
    assert isinstance(value, pd.DataFrame)
    return value


def test_a_reconciliation_is_one_row_a_record_with_the_documented_columns(
    rehearsal: Rehearsal, definitions: dg.Definitions
) -> None:
    for kind in KINDS:
        frame = load(definitions, kind.name, "reconciliation")
        assert list(frame) == [*PARTITION, *RECORD]
        counts = {name: n for name, n in rehearsal.day(DAYS[0], kind).counts.items() if n}
        assert frame["status"].value_counts().to_dict() == counts
        assert set(frame["kind"]) == {kind.name}


def test_a_range_of_days_is_one_frame(definitions: dg.Definitions) -> None:
    days = dg.PartitionKeyRange(str(DAYS[0]), str(DAYS[1]))
    keys = (["verifications", "reconciliation"], ["verifications", "delivery"])
    with definitions.get_asset_value_loader() as loader:
        for key in (*keys, ["manual_reconciliation"]):
            frame = loader.load_asset_value(key, partition_key_range=days)
            assert isinstance(frame, pd.DataFrame)
            assert set(frame["partition_date"]) == {str(day) for day in DAYS[:2]}
            single = [load(definitions, *key, day=str(day)) for day in DAYS[:2]]
            assert len(frame) == sum(map(len, single))


def test_the_worklist_names_who_needs_a_person(
    rehearsal: Rehearsal, definitions: dg.Definitions
) -> None:
    frame = load(definitions, "manual_reconciliation")
    assert list(frame) == ["partition_date", *WORKLIST]
    items = rehearsal.pipeline.ledger.read(lambda link: affected(link, DAYS[:1]))
    of_a_profile = [one for one in items if one.user_profile_id is not None]
    assert set(frame["user_profile_id"]) == {
        one.user_profile_id for one in of_a_profile if one.is_open
    }


def test_a_delivery_is_its_history(rehearsal: Rehearsal, definitions: dg.Definitions) -> None:
    frame = load(definitions, "verifications", "delivery")
    (view,) = [view for view in VIEWS if view.name == "delivery_history"]
    assert list(frame) == list(view.columns)
    assert frame["object_key"].tolist() == [rehearsal.day(DAYS[0], KINDS[0]).object_key]


@pytest.mark.parametrize(
    "key",
    [
        ["verifications", "export_ready"],
        ["address_changes", "upload_file"],
        ["verifications", "acknowledgement"],
        ["wave_feed"],
    ],
)
def test_what_is_personal_is_refused_with_the_reason(
    definitions: dg.Definitions, key: list[str]
) -> None:
    with pytest.raises(UsageError, match="/".join(key) + " holds personal data"):
        definitions.load_asset_value(key, partition_key=str(DAYS[0]))


def test_nothing_can_unpickle(definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.delattr(pickle, name)
    load(definitions, "verifications", "reconciliation")
    imported = {
        name.split(".")[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & UNPICKLING
    assert all(
        asset.get_io_manager_key_for_asset_key(key) == "io_manager"
        for asset in definitions.resolve_asset_graph().assets_defs
        for key in asset.keys
    )
