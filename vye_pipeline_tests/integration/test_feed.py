"""BDN's feed as evidence: kept, read, and shown beside the statuses of what has no answer."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from vye_pipeline.bdn.wave_feed import IncompleteFeed
from vye_pipeline.business_days import FEDERAL_CALENDAR, end_of_day
from vye_pipeline.cli import commands
from vye_pipeline.reconciliation.feed import take_feed
from vye_pipeline.records import ADDRESS_CHANGES, KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import Affected, affected
from vye_pipeline.reporting.worklist import worklist
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.feed import write_feed
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

IN_PRODUCTIONS_SHAPE = True

DAY, NEXT = DAYS[:2]
LATE = end_of_day(FEDERAL_CALENDAR.business_days_after(DAY, 5))


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """A delivered day that BDN never acknowledged."""
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    assert prepared.egress(DAY) == []
    for kind in KINDS:
        prepared.reconcile(DAY, kind, LATE)
    return prepared


def missing(rehearsal: Rehearsal) -> list[Affected]:
    items = rehearsal.pipeline.ledger.read(lambda connection: affected(connection, [DAY]))
    return [item for item in items if item.status == "missing"]


def test_what_the_feed_confirms_needs_no_person_and_stays_missing(rehearsal: Rehearsal) -> None:
    before = missing(rehearsal)
    assert all(item.is_open for item in before)
    write_feed(rehearsal.outage, NEXT, DAY)
    outcome = take_feed(rehearsal.pipeline, NEXT, LATE)
    assert outcome is not None
    assert outcome.unreadable.empty
    after = missing(rehearsal)
    assert [item.record_id for item in after] == [item.record_id for item in before]
    for item in after:
        says_so = item.kind in (VERIFICATIONS.name, ADDRESS_CHANGES.name)
        assert item.is_open != says_so
        assert ("took effect" in item.reason) == says_so
    assert outcome.confirmed_count == sum(not item.is_open for item in after)
    assert outcome.contradicted_count == 0
    listed = worklist(rehearsal.pipeline, DAY, LATE)["user_profile_id"]
    assert {item.user_profile_id for item in after if item.is_open} <= set(listed)
    assert outcome.confirmed_count > 0


def test_what_the_feed_contradicts_says_so_and_the_newest_feed_counts(
    rehearsal: Rehearsal,
) -> None:
    key = write_feed(rehearsal.outage, NEXT, DAY)
    content = rehearsal.outage.get(key)
    before_day = content.replace(b"20250331", b"20240101").replace(b"20250401", b"20240101")
    rehearsal.outage.put(key, before_day)
    outcome = take_feed(rehearsal.pipeline, NEXT, LATE)
    assert outcome is not None
    assert outcome.contradicted_count > 0
    contradicted = [item for item in missing(rehearsal) if "otherwise" in item.reason]
    assert {item.kind for item in contradicted} == {"verifications"}
    assert all(item.is_open for item in contradicted)
    with rehearsal.pipeline.ledger.transaction() as connection:
        shown = connection.execute(
            text(
                "SELECT evidence_fields FROM manual_reconciliation_open WHERE evidence IS NOT NULL"
            )
        ).scalars()
        assert set(shown) == {"transact_date"}
    rehearsal.outage.put(f"inbound/{DAYS[2]}/WAVE.txt", content)
    assert take_feed(rehearsal.pipeline, DAYS[2], LATE) is not None
    assert not any("otherwise" in item.reason for item in missing(rehearsal))


def test_a_feed_is_evidence_for_older_days_only(rehearsal: Rehearsal) -> None:
    write_feed(rehearsal.outage, DAY, DAY)
    outcome = take_feed(rehearsal.pipeline, DAY, LATE)
    assert outcome is not None
    assert (outcome.confirmed_count, outcome.contradicted_count) == (0, 0)


def test_the_same_feed_again_changes_nothing_and_its_bytes_are_kept(rehearsal: Rehearsal) -> None:
    key = write_feed(rehearsal.outage, NEXT, DAY)
    first, again = (take_feed(rehearsal.pipeline, NEXT, LATE) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.confirmed_count == again.confirmed_count
    with rehearsal.pipeline.ledger.transaction() as connection:
        (name,) = connection.execute(text("SELECT snapshot_name FROM feeds")).scalars()
    assert rehearsal.pipeline.snapshots.get(name) == rehearsal.outage.get(key)


def test_no_feed_is_a_normal_state_and_a_growing_one_is_refused(rehearsal: Rehearsal) -> None:
    assert take_feed(rehearsal.pipeline, NEXT, LATE) is None
    key = write_feed(rehearsal.outage, NEXT, DAY)
    rehearsal.outage.put(key, rehearsal.outage.get(key)[:-20])
    with pytest.raises(IncompleteFeed, match=r"WAVE\.txt: the last line is not ENDOFFILE"):
        take_feed(rehearsal.pipeline, NEXT, LATE)
    with rehearsal.pipeline.ledger.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM feeds")) == 0


def test_the_command_writes_a_feed_and_reconcile_reads_it(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, LATE)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["simulate", "feed", str(DAY)]) == commands.SUCCESS
    assert f"inbound/{NEXT}/WAVE.txt" in capsys.readouterr().out
    assert commands.run(["reconcile", str(NEXT)]) == commands.SUCCESS
    assert any("took effect" in item.reason for item in missing(rehearsal))
