"""All machines go by one clock: that of the ledger's server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Health
from vye_pipeline.context import Context
from vye_pipeline.definitions import build_definitions
from vye_pipeline.orchestration.jobs import EGRESS
from vye_pipeline.orchestration.resources import CLOCK
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import Rehearsal

AN_HOUR = timedelta(hours=1)
SOON = timedelta(seconds=30)


@pytest.fixture
def wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A pipeline on a machine whose clock is an hour ahead."""
    Rehearsal.prepare(settings)
    monkeypatch.setattr(
        "vye_pipeline.ledger.clock.machine_time", lambda: datetime.now(UTC) + AN_HOUR
    )
    return Context(settings)


def is_on_a_server(context: Context) -> bool:
    return context.ledger.engine.dialect.name == "postgresql"


@pytest.mark.central
def test_a_run_goes_by_the_ledgers_clock(wrong: Context) -> None:
    job = build_definitions(wrong).resolve_job_def(EGRESS)
    believed = job.resource_defs[CLOCK](None).now() - datetime.now(UTC)
    expected = timedelta() if is_on_a_server(wrong) else AN_HOUR
    assert abs(believed - expected) < SOON


@pytest.mark.central
def test_the_doctor_says_that_a_machines_clock_is_wrong(wrong: Context) -> None:
    finding = next(
        one for one in examine(wrong.settings, datetime.now(UTC)) if one.subject == "clock"
    )
    if is_on_a_server(wrong):
        assert finding.health == Health.WARNING
        assert "3,600 seconds ahead of that of" in finding.words
    else:
        assert finding.health == Health.GOOD


def test_without_its_ledger_a_machine_goes_by_its_own(embedded: Settings) -> None:
    elsewhere = embedded.model_copy(
        update={"ledger_url": embedded.ledger_url or "postgresql://u@127.0.0.1:1/nowhere"}
    )
    assert abs(Context(elsewhere).now() - datetime.now(UTC)) < SOON
