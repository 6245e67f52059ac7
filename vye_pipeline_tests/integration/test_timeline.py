"""A day is explained step by step, from the first failure to what is open now."""

from __future__ import annotations

import pytest

from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.cli import commands
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.reporting.timeline import timeline
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY = DAYS[0]


def told(rehearsal: Rehearsal) -> list[str]:
    return rehearsal.pipeline.ledger.read(
        lambda connection: timeline(connection, DAY, FEDERAL_CALENDAR)
    )


def test_a_day_is_told_in_order_with_causes_and_what_is_open(settings: Settings) -> None:
    rehearsal = Rehearsal.prepare(settings)
    assert [line for line in told(rehearsal) if "never ran" in line] == told(rehearsal)
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    rehearsal.egress(DAY)
    failed = "\n".join(told(rehearsal))
    assert "verifications: egress failed (upload): the upload to S3 failed: AccessDenied" in failed
    assert "verifications: not delivered" in failed
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAY, VERIFICATIONS, now=at(DAY, hours=1)) == []
    redeliver(
        rehearsal.pipeline,
        DAY,
        VERIFICATIONS,
        requested_by="operator",
        reason="BDN lost it",
        now=at(DAY, hours=2),
    )
    answer_partition(rehearsal.outage, DAY, Faults(reject=1), received_at=at(DAY, hours=3))
    rehearsal.reconcile(DAY, VERIFICATIONS, at(DAY, hours=4))
    lines = [line for line in told(rehearsal) if "verifications" in line]
    steps = ["read and claimed", "failed", "delivered as", "delivered again as", "BDN", "rejected"]
    places = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert places == sorted(places)
    assert f"vye affected --date {DAY}" in lines[-1]


def test_the_command_prints_it(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Rehearsal.prepare(embedded)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["explain", str(DAY)]) == commands.SUCCESS
    assert f"vye egress {DAY} --kind verifications" in capsys.readouterr().out
