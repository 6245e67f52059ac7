"""The playbook's questions, answered unasked: an outage from its first minute to its all-clear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from vye_pipeline.alerting.metrics import StatsdMetrics
from vye_pipeline.alerting.notifier import SlackNotifier
from vye_pipeline.business_days import NEW_YORK
from vye_pipeline.errors import PipelineError, defect
from vye_pipeline.orchestration.overdue import OVERDUE
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import DELIVERED, affected
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.daemon import Daemon, open_history
from vye_pipeline_tests.integration.listeners import SlackListener, StatsdListener
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal

IN_PRODUCTIONS_SHAPE = True

pytestmark = pytest.mark.long


DAY, NEXT_DAY = DAYS[0], DAYS[1]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings.model_copy(update={"start_date": DAY}))


@pytest.fixture
def slack() -> Iterator[SlackListener]:
    with SlackListener() as listener:
        yield listener


@pytest.fixture
def statsd() -> Iterator[StatsdListener]:
    with StatsdListener() as listener:
        yield listener


@pytest.fixture
def daemon(rehearsal: Rehearsal, slack: SlackListener, statsd: StatsdListener) -> Iterator[Daemon]:
    with open_history() as instance:
        yield Daemon(
            rehearsal.pipeline,
            instance,
            at(DAY, 5),
            SlackNotifier("xoxb-none", "#vye-alerts", slack.url),
            StatsdMetrics("127.0.0.1", statsd.port),
        )


def undelivered(rehearsal: Rehearsal) -> set[int | None]:
    items = rehearsal.pipeline.ledger.read(lambda connection: affected(connection, [DAY]))
    return {item.user_profile_id for item in items if item.status == "undelivered"}


def test_an_outage_needs_no_command_at_all(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener, statsd: StatsdListener
) -> None:
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    (run,) = daemon.schedule("egress_when_activated", at(DAY, 5, 45))
    assert not run.success
    (reconciled,) = daemon.sensor("reconcile_after_failed_egress", at(DAY, 5, 46))
    assert reconciled.success
    assert daemon.sensor("reconcile_after_failed_egress", at(DAY, 5, 47)) == []
    assert "verifications of 2025-04-01: failed" in daemon.skipped(
        "egress_when_activated", at(DAY, 5, 50)
    )
    daemon.sensor("watch", at(DAY, 5, 46))
    outage, *others = slack.heard()
    assert not any("egress" in text for text in others)
    waiting = undelivered(rehearsal)
    assert "the upload to S3 failed: AccessDenied" in outage
    assert f" of {len(waiting)} user profiles wait" in outage
    assert f"http://localhost:3000/runs/{run.run_id}" in outage
    assert f"tried again at 05:15 New York on {NEXT_DAY}" in outage
    assert "type `vye backfill --failed`" in outage
    materialised = daemon.instance.fetch_materializations(
        dg.AssetKey(["verifications", "reconciliation"]), limit=1
    )
    listed = materialised.records[0].asset_materialization
    assert listed is not None
    table = listed.metadata["affected_user_profiles"]
    assert isinstance(table, dg.TableMetadataValue)
    shown = {
        row.data["user_profile_id"] for row in table.records if "undelivered" in row.data.values()
    }
    assert shown == waiting

    daemon.sensor("watch", at(DAY, 5, 47))
    assert slack.heard() == []

    rehearsal.refuse_nothing()
    (healed,) = daemon.schedule("retry_before_cut_off", at(NEXT_DAY, 5, 15))
    assert healed.success
    assert rehearsal.day(DAY, VERIFICATIONS).delivery == DELIVERED
    daemon.sensor("watch", at(NEXT_DAY, 5, 16))
    assert slack.heard() == [f"All clear: the files of {DAY} are delivered."]
    gauges = statsd.heard()
    tags = f"kind:verifications,partition_date:{DAY},status:undelivered"
    numbers = [line.split("|")[0] for line in gauges if line.endswith(tags)]
    assert len(numbers) == 1
    assert int(numbers[0].removeprefix("vye.records:")) >= len(waiting)
    assert any(line.startswith("vye.open_alarms:") for line in gauges)


def test_the_same_failure_again_is_no_news_but_another_cause_is(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener
) -> None:
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    daemon.egress(str(DAY), at(DAY, 5, 46))
    daemon.sensor("watch", at(DAY, 5, 50))
    assert len([text for text in slack.heard() if "egress" in text]) == 1
    daemon.egress(str(DAY), at(DAY, 5, 46))
    daemon.sensor("watch", at(DAY, 5, 55))
    assert slack.heard() == []
    rehearsal.pipeline.ledger.fail(
        DAY,
        VERIFICATIONS,
        defect("a column is missing", next_step="report it"),
        step="export_ready",
        run_id=None,
        failed_at=at(DAY, 6),
    )
    daemon.sensor("watch", at(DAY, 6, 1))
    (another,) = slack.heard()
    assert "this is a defect in the pipeline, not S3: a column is missing" in another


def test_a_message_that_slack_refuses_is_sent_later(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener
) -> None:
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    daemon.egress(str(DAY), at(DAY, 5, 46))
    slack.refusal = "channel_not_found"
    daemon.sensor("watch", at(DAY, 5, 50))
    slack.refusal = None
    daemon.sensor("watch", at(DAY, 5, 51))
    assert any(f"The egress of {DAY} failed" in text for text in slack.heard())


def test_slacks_refusal_is_an_error_with_a_remedy(slack: SlackListener) -> None:
    slack.refusal = "invalid_auth"
    with pytest.raises(PipelineError, match=r"invalid_auth.*VYE_SLACK_TOKEN"):
        SlackNotifier("xoxb-none", "#vye-alerts", slack.url).check()


def test_a_day_that_vye_never_activated_is_an_alarm_and_goes_out_when_it_is(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener
) -> None:
    reason = daemon.skipped("egress_when_activated", at(DAY, 5, 45))
    assert reason == f"VYE has not activated the clone of {DAY} yet"
    daemon.sensor("watch", at(DAY, 6, 44))
    assert slack.heard() == []
    daemon.sensor("watch", at(DAY, 6, 45))
    (late,) = slack.heard()
    assert "VYE's import or activation did not run" in late
    daemon.sensor("watch", at(DAY, 6, 46))
    assert slack.heard() == []
    rehearsal.dawn()
    (run,) = daemon.schedule("egress_when_activated", at(DAY, 9, 15))
    assert run.success
    daemon.sensor("watch", at(DAY, 9, 16))
    assert "All clear: the files that were late are delivered." in slack.heard()
    assert "delivered" in daemon.skipped("egress_when_activated", at(DAY, 9, 20))


def test_a_day_that_never_ran_is_late_until_a_later_one_has_taken_up_its_records(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener
) -> None:
    daemon.sensor("watch", at(DAY, 6, 45))
    assert len(slack.heard()) == 1
    daemon.sensor("watch", at(NEXT_DAY, 0, 30))
    assert slack.heard() == []
    daemon.sensor("watch", at(NEXT_DAY, 6, 45))
    (late,) = slack.heard()
    assert f"{DAY} and {NEXT_DAY}" in late
    rehearsal.dawn()
    daemon.egress(str(NEXT_DAY), at(NEXT_DAY, 9, 45))
    daemon.sensor("watch", at(NEXT_DAY, 9, 46))
    assert "All clear: the files that were late are delivered." in slack.heard()


def test_an_answer_is_reconciled_once_and_a_replaced_one_again(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener
) -> None:
    rehearsal.dawn()
    daemon.egress(str(DAY), at(DAY, 5, 46))
    assert daemon.sensor("acknowledgements_arrive", at(DAY, 8)) == []
    answer_partition(rehearsal.outage, DAY, Faults(reject=2), received_at=at(DAY, 9))
    (run,) = daemon.sensor("acknowledgements_arrive", at(DAY, 9, 1))
    assert run.success
    assert daemon.sensor("acknowledgements_arrive", at(DAY, 9, 2)) == []
    daemon.sensor("watch", at(DAY, 9, 2))
    (manual,) = [text for text in slack.heard() if "need a person" in text]
    assert "rejected" in manual
    assert f"vye affected --date {DAY}" in manual
    key = next(one.key for one in rehearsal.outage.list(f"inbound/{DAY}/"))
    rehearsal.outage.put(key, rehearsal.outage.get(key) + b"\n")
    assert len(daemon.sensor("acknowledgements_arrive", at(DAY, 9, 3))) == 1


def test_a_new_daemon_does_not_read_again_what_the_ledger_knows(
    rehearsal: Rehearsal, daemon: Daemon
) -> None:
    rehearsal.dawn()
    daemon.egress(str(DAY), at(DAY, 5, 46))
    answer_partition(rehearsal.outage, DAY, Faults(), received_at=at(DAY, 9))
    daemon.sensor("acknowledgements_arrive", at(DAY, 9, 1))
    fresh = Daemon(rehearsal.pipeline, daemon.instance, at(DAY, 10))
    assert fresh.sensor("acknowledgements_arrive", at(DAY, 10)) == []


def test_the_daily_pass_makes_missing_what_bdn_never_answered(
    rehearsal: Rehearsal, daemon: Daemon
) -> None:
    rehearsal.dawn()
    daemon.egress(str(DAY), at(DAY, 5, 46))
    late = DAY + timedelta(days=7)
    assert len(daemon.schedule("reconcile_unsettled", at(late, 8))) == 1
    assert rehearsal.day(DAY, VERIFICATIONS).counts["missing"] > 0
    assert "every partition is settled" in daemon.skipped("reconcile_unsettled", at(late, 8))


def test_a_run_that_was_killed_is_recorded_for_it(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise defect("the machine has no memory left", next_step="restart it")

    rehearsal.dawn()
    with monkeypatch.context() as patch:
        patch.setattr(type(rehearsal.pipeline.ledger), "fail", out_of_memory)
        rehearsal.refuse(DAY, VERIFICATIONS)
        run = daemon.egress(str(DAY), at(DAY, 5, 46))
    assert rehearsal.day(DAY, VERIFICATIONS).cause is None
    assert not run.success
    (reconciled,) = daemon.sensor("reconcile_after_failed_egress", at(DAY, 5, 47))
    assert reconciled.success
    assert rehearsal.day(DAY, VERIFICATIONS).cause == "defect"
    daemon.sensor("watch", at(DAY, 5, 48))
    (alarm,) = [text for text in slack.heard() if "The egress" in text]
    assert (
        "this is a defect in the pipeline, not S3: the run ended before it could say why" in alarm
    )


def test_after_bdns_retirement_the_schedules_say_so_once_all_is_settled(
    settings: Settings,
) -> None:
    rehearsal = Rehearsal.prepare(settings.model_copy(update={"start_date": DAY, "end_date": DAY}))
    rehearsal.dawn()
    with open_history() as instance:
        daemon = Daemon(rehearsal.pipeline, instance, at(DAY, 6))
        daemon.egress(str(DAY), at(DAY, 5, 46))
        after = DAY + timedelta(days=7)
        assert "is no partition" in daemon.skipped("egress_when_activated", at(NEXT_DAY, 6))
        assert len(daemon.schedule("reconcile_unsettled", at(after, 8))) == 1
        for name in ("egress_when_activated", "retry_before_cut_off", "reconcile_unsettled"):
            assert "BDN is retired: the last" in daemon.skipped(name, at(after, 8))
        daemon.sensor("watch", at(after, 9))
    assert rehearsal.day(DAY, VERIFICATIONS).counts["missing"] > 0


def test_a_holiday_is_announced_the_business_day_before(
    daemon: Daemon, slack: SlackListener
) -> None:
    daemon.sensor("watch", at(date(2025, 7, 3), 5))
    assert (
        "2025-07-04 is Independence Day: no files go to BDN then; the next ones go on 2025-07-07."
        in slack.heard()
    )
    daemon.sensor("watch", at(date(2025, 7, 3), 5, 30))
    assert slack.heard() == []


def test_a_ledger_that_cannot_be_read_is_told_once(
    rehearsal: Rehearsal, daemon: Daemon, slack: SlackListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise defect("the ledger can't be reached", next_step="check VYE_LEDGER_URL")

    with monkeypatch.context() as patch:
        patch.setattr(type(rehearsal.pipeline.ledger), "read", unreachable)
        daemon.sensor("watch", at(DAY, 5))
        daemon.sensor("watch", at(DAY, 5, 1))
    (told,) = slack.heard()
    assert "the ledger can't be reached" in told
    daemon.sensor("watch", at(DAY, 5, 2))
    assert slack.heard() == ["The ledger can be read again."]


def test_a_morning_without_a_clone_says_that_nothing_was_read(
    daemon: Daemon, slack: SlackListener
) -> None:
    daemon.egress(str(DAY), at(DAY, 5, 46))
    daemon.sensor("watch", at(DAY, 5, 47))
    (alarm,) = slack.heard()
    assert "failed for address_changes, direct_deposit_changes and verifications: " in alarm
    assert "VYE's import or activation did not run. No record of it has been read yet." in alarm


def overdue(daemon: Daemon) -> dict[str, str | None]:
    """Returns what the newest evaluation of each kind's standing check says, None if it passed."""
    keys = [dg.AssetCheckKey(dg.AssetKey([one.name, "delivery"]), OVERDUE) for one in KINDS]
    records = daemon.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    said = {}
    for key, record in records.items():
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        said[key.asset_key.path[0]] = None if evaluation.passed else evaluation.description
    return said


def test_what_is_overdue_is_red_in_the_ui_until_it_is_delivered(
    rehearsal: Rehearsal, daemon: Daemon
) -> None:
    daemon.sensor("overdue_files", at(DAY, 6))
    assert set(overdue(daemon).values()) == {None}
    daemon.sensor("overdue_files", at(DAY, 6, 45))
    assert all(f"{DAY} is late" in (text or "") for text in overdue(daemon).values())
    rehearsal.dawn()
    rehearsal.refuse(DAY, VERIFICATIONS)
    daemon.egress(str(DAY), at(DAY, 7))
    daemon.sensor("overdue_files", at(DAY, 7, 1))
    said = overdue(daemon)
    assert f"{DAY} failed: the upload to S3 failed" in (said.pop(VERIFICATIONS.name) or "")
    assert set(said.values()) == {None}
    rehearsal.refuse_nothing()
    daemon.egress(str(DAY), at(DAY, 8))
    assert set(overdue(daemon).values()) == {None}
