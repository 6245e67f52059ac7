"""What a preview says, the run then does; and the preview itself changes nothing."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from vye_pipeline.cli.commands import run
from vye_pipeline.definitions import build_definitions
from vye_pipeline.egress.hold import hold
from vye_pipeline.egress.preview import COUNTED, Preview, next_day, preview
from vye_pipeline.ledger.models import METADATA
from vye_pipeline.orchestration.assets.preview import PREVIEW
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS, VERIFICATIONS, Kind
from vye_pipeline.reporting.usual import usual_counts
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True
FIRST, SECOND, THIRD = DAYS[:3]


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings)


def everything(rehearsal: Rehearsal) -> dict[str, Any]:
    """Returns all that lies in the ledger, the stores and VYE's flags."""
    pipeline = rehearsal.pipeline
    rows = pipeline.ledger.read(
        lambda one: {
            name: sorted(map(repr, one.execute(select(table))))
            for name, table in METADATA.tables.items()
        }
    )
    flags = [rehearsal.flag(clone) for clone in range(1, len(DAYS) + 1)]
    stored = [sorted(one.key for one in store.list("")) for store in (pipeline.objects,)]
    return {**rows, "flags": flags, "stored": stored, "kept": pipeline.snapshots.has_any("")}


def previewed(rehearsal: Rehearsal, day: date, now: datetime) -> dict[str, Preview]:
    """Returns what would go out, and makes sure that looking changes nothing."""
    before = everything(rehearsal)
    previews = {kind.name: preview(rehearsal.pipeline, day, kind, now) for kind in KINDS}
    assert everything(rehearsal) == before
    return previews


def came_out(rehearsal: Rehearsal, day: date, kind: Kind) -> dict[str, int]:
    """Returns how many records of each disposition a run has claimed."""
    claims = rehearsal.pipeline.ledger.claimed(day, kind)[1]
    return {name: int((claims["disposition"] == name).sum()) for name in COUNTED}


def fail(rehearsal: Rehearsal, day: date) -> None:
    """Lets all uploads of a day be refused."""
    rehearsal.refuse(day)
    assert rehearsal.egress(day)
    rehearsal.refuse_nothing()


def assert_it_comes_true(rehearsal: Rehearsal, day: date, previews: dict[str, Preview]) -> None:
    for kind in KINDS:
        file = rehearsal.pipeline.ledger.receipt(day, kind)
        assert file is not None
        assert previews[kind.name].counts == came_out(rehearsal, day, kind)
        assert (previews[kind.name].lines, previews[kind.name].bytes) == (
            file.line_count,
            file.byte_count,
        )


def test_the_clone_that_vye_has_not_closed_yet_is_the_next_days(rehearsal: Rehearsal) -> None:
    before = at(FIRST, minutes=-30)
    assert next_day(rehearsal.pipeline, before) == FIRST
    previews = previewed(rehearsal, FIRST, before)
    assert previews[VERIFICATIONS.name].lines
    rehearsal.dawn()
    assert previewed(rehearsal, FIRST, at(FIRST, minutes=1)) == previews
    assert rehearsal.egress(FIRST) == []
    assert_it_comes_true(rehearsal, FIRST, previews)
    after = at(FIRST, hours=3)
    assert {one.delivery for one in previewed(rehearsal, FIRST, after).values()} == {"delivered"}
    assert next_day(rehearsal.pipeline, after) == SECOND
    previews = previewed(rehearsal, SECOND, after)
    assert previews[VERIFICATIONS.name].lines
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    assert_it_comes_true(rehearsal, SECOND, previews)


def test_the_day_after_the_next_one_has_no_clone_yet(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    rehearsal.egress(FIRST)
    previews = previewed(rehearsal, THIRD, at(FIRST, hours=3))
    assert {one.lines for one in previews.values()} == {0}


def test_what_is_overtaken_or_held_back_is_told_before_the_run(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    fail(rehearsal, FIRST)
    rehearsal.dawn()
    assert rehearsal.egress(SECOND) == []
    profile = int(came_first(rehearsal))
    hold(
        rehearsal.pipeline,
        profile,
        [VERIFICATIONS],
        is_held=True,
        reason="in doubt",
        decided_by="operator",
        now=at(SECOND, hours=1),
    )
    previews = previewed(rehearsal, FIRST, at(SECOND, hours=2))
    assert sum(one.counts["superseded"] for one in previews.values())
    assert previews[VERIFICATIONS.name].counts["held"]
    assert rehearsal.egress(FIRST, now=at(SECOND, hours=3)) == []
    assert_it_comes_true(rehearsal, FIRST, previews)


def came_first(rehearsal: Rehearsal) -> int:
    """Returns a user profile whose verification of the first day waits."""
    claims = rehearsal.pipeline.ledger.claimed(FIRST, VERIFICATIONS)[1]
    return int(claims.loc[claims["disposition"] == "line", "user_profile_id"].iloc[0])


def test_two_clones_in_one_file_overtake_each_other_before_the_run_too(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    fail(rehearsal, FIRST)
    rehearsal.dawn(at(FIRST, hours=2))  # twice on one day: a repair of VYE's
    previews = previewed(rehearsal, FIRST, at(FIRST, hours=3))
    assert sum(one.counts["superseded"] for one in previews.values())
    assert rehearsal.egress(FIRST, now=at(FIRST, hours=3)) == []
    assert_it_comes_true(rehearsal, FIRST, previews)


def test_the_command_prints_it_beside_what_is_usual(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = rehearsal.pipeline.settings
    monkeypatch.setattr("vye_pipeline.cli.rehearsing.load_settings", lambda: settings)
    rehearsal.dawn()
    before = everything(rehearsal)
    assert run(["preview", str(FIRST), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in rows] == [kind.name for kind in KINDS]
    for row in rows:
        parts = ("lines", "quarantined", "held", "superseded")
        assert row["export_ready"] == sum(row[name] for name in parts)
        assert row["usual"] is None
    assert run(["preview", str(FIRST)]) == 0
    printed = capsys.readouterr().out
    assert "no Tuesday is known to compare with" in printed
    assert "nothing was claimed or put" in printed
    assert everything(rehearsal) == before


def test_a_day_too_far_ahead_is_refused(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["preview", "2199-04-02"]) == 2
    assert "is not over" in capsys.readouterr().err


def test_what_is_usual_is_what_went_out_on_that_weekday(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    assert rehearsal.egress(FIRST) == []
    week_later, day_later = FIRST + timedelta(days=7), FIRST + timedelta(days=1)
    for kind in KINDS:
        with rehearsal.pipeline.ledger.transaction() as connection:
            usual, unknown = (
                usual_counts(connection, kind.name, day) for day in (week_later, day_later)
            )
        came = came_out(rehearsal, FIRST, kind)
        assert usual.counts == {"lines": came.pop("line"), **came}
        assert unknown.as_json() is None


def test_dagster_shows_it_and_leaves_everything_as_it_was(rehearsal: Rehearsal) -> None:
    now = at(FIRST, minutes=-30)
    definitions = build_definitions(rehearsal.pipeline, Clock(lambda: now))
    before = everything(rehearsal)
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(PREVIEW)]
        )
    assert everything(rehearsal) == before
    (shown,) = result.asset_materializations_for_node(PREVIEW)
    assert shown.metadata["partition"].value == FIRST.isoformat()
    lines = preview(rehearsal.pipeline, FIRST, VERIFICATIONS, now).lines
    assert f"| lines | {lines} |" in str(shown.metadata[VERIFICATIONS.name].value)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
