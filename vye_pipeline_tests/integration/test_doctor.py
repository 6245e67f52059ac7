"""The doctor finds what is wrong, names a remedy, and changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text

from vye_pipeline.cli import commands
from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Finding, Health
from vye_pipeline.cli.services import examine_surroundings
from vye_pipeline.errors import upload_error
from vye_pipeline.ledger.connection import ledger_database
from vye_pipeline.ledger.schema import upgrade
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.simulation.outage import Outage
from vye_pipeline.storage.snapshots import open_snapshots
from vye_pipeline_tests.integration.listeners import SlackListener
from vye_pipeline_tests.integration.rehearsal import Rehearsal

NOW = datetime(2025, 7, 4, 12, tzinfo=UTC)


def found(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(settings, NOW)}


def test_a_sound_world_is_good_and_stays_as_it_is(settings: Settings) -> None:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    assert rehearsal.pipeline.ledger.engine
    findings = found(settings)
    assert {one.health for one in findings.values()} == {Health.GOOD}
    assert "Independence Day" in findings["calendar"].words
    assert rehearsal.pipeline.objects.list("doctor/") == []
    assert found(settings) == findings


def test_closures_ahead_are_named(embedded: Settings) -> None:
    closures = "2025-07-03=Executive order,2025-01-09=Day of mourning,+2025-09-01,2025-07-07=Storm"
    words = found(embedded.model_copy(update={"closures": closures}))["calendar"].words
    assert "today is Independence Day; the next cut-off after today is 2025-07-08 05:45" in words
    assert "VYE_CLOSURES 2025-07-07 closed, Storm" in words
    assert "VYE_CLOSURES 2025-09-01 worked, though a holiday" in words
    assert "2025-01-09" not in words


def test_a_ledger_that_is_behind_is_told_and_not_upgraded(settings: Settings) -> None:
    Rehearsal.prepare(settings)
    behind = ledger_database(settings).engine()
    upgrade(behind, partial(open_snapshots, settings), "0003")
    assert found(settings)["ledger"].health == Health.WARNING
    with behind.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0003"


def test_nothing_there_is_bad_with_a_remedy(embedded: Settings) -> None:
    findings = found(embedded)
    for subject in ("VYE's database", "ledger"):
        assert findings[subject].health == Health.BAD
        assert findings[subject].remedy
    without = embedded.model_copy(
        update={"ledger_url": "postgresql://nobody@localhost:1/none", "snapshot_key": None}
    )
    assert "VYE_SNAPSHOT_KEY must be set" in found(without)["snapshots"].words


def test_without_a_write_url_the_flag_is_a_warning(embedded: Settings, waits: list[float]) -> None:
    Rehearsal.prepare(embedded)
    url = "postgresql://nobody@localhost:1/none"
    flag = found(embedded.model_copy(update={"database_url": url}))["clone's flag"]
    assert flag.health == Health.WARNING
    assert "VYE_DATABASE_WRITE_URL" in flag.remedy
    assert waits, "it is asked again before that is said"


def test_a_store_that_overwrites_is_found(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overwriting(Outage):
        def create(self, key: str, content: bytes) -> bool:
            self.put(key, content)
            return True

    rehearsal = Rehearsal.prepare(embedded)
    overwriting = Overwriting(rehearsal.outage)
    monkeypatch.setattr("vye_pipeline.context.open_object_store", lambda *_, **__: overwriting)
    assert "a conditional put must not" in found(embedded)["object store"].words


def test_a_refused_store_is_bad_in_the_stores_words(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Outage):
        def create(self, key: str, content: bytes) -> bool:
            raise upload_error(
                f"AccessDenied for {len(content)} bytes at {key.split('/')[0]}",
                is_transient=False,
                next_step="allow it",
            )

    rehearsal = Rehearsal.prepare(embedded)
    refusing = Refusing(rehearsal.outage)
    monkeypatch.setattr("vye_pipeline.context.open_object_store", lambda *_, **__: refusing)
    assert found(embedded)["object store"].words.startswith("AccessDenied for")


def test_slack_datadog_and_the_daemon_are_looked_at(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SlackListener() as slack:
        monkeypatch.setattr("vye_pipeline.alerting.notifier.SLACK", slack.url)
        on = load_settings(
            local_dir=embedded.folder, slack_token="xoxb-none", statsd_host="no.such.invalid"
        )
        slack.refusal = "invalid_auth"
        refused = {one.subject: one for one in examine_surroundings(on, NOW)}
        slack.refusal = None
        taken = {one.subject: one for one in examine_surroundings(on, NOW)}
    assert refused["Slack"].health == Health.BAD
    assert "invalid_auth" in refused["Slack"].words
    assert taken["Slack"].health == Health.GOOD
    assert "VYE_STATSD_HOST" in taken["Datadog"].words
    assert "its daemon is not running" in taken["Dagster"].words


def test_the_command_names_a_slip_and_shows_no_value(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    monkeypatch.setenv("VYE_LEDGER_ULR", "postgresql://u:secret@h/d")
    assert commands.run(["doctor"]) == commands.FAILED
    printed = capsys.readouterr().out
    assert "VYE_LEDGER_ULR is no setting of this pipeline" in printed
    assert "secret" not in json.dumps(printed)
