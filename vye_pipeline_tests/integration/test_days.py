"""Days as they go, on SQLite with folders and on PostgreSQL with S3: the faults of the old job."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.egress.claim import take_export_ready
from vye_pipeline.egress.clone_flags import settle_clones
from vye_pipeline.egress.deliver import keep_upload_file, make_upload_file
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.errors import Cause, PipelineError, Postponed
from vye_pipeline.ledger.models import REPLACED
from vye_pipeline.records import KINDS, VERIFICATIONS, kind_named
from vye_pipeline.records.statuses import UNSENT, Status
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at, load

IN_PRODUCTIONS_SHAPE = True
GOLDEN = Path(__file__).parents[1] / "golden"
DIRECT_DEPOSIT_CHANGES = kind_named("direct_deposit_changes")
ADDRESS_CHANGES = kind_named("address_changes")


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings)


def sums_hold(rehearsal: Rehearsal) -> bool:
    for day in DAYS:
        for kind in KINDS:
            row = rehearsal.day(day, kind).as_json()
            outside = sum(row[name] for name in UNSENT)
            inside = sum(row[name] for name in Status if name not in {*UNSENT, "unexpected"})
            if row["export_ready"] != row["lines"] + outside or row["lines"] != inside:
                return False
    return True


@pytest.mark.central
def test_the_golden_tables_make_the_golden_files(settings: Settings) -> None:
    load(settings, GOLDEN / "input")
    pipeline, day = Context(settings), date(2024, 3, 4)
    for kind in KINDS:
        export = take_export_ready(pipeline, day, kind, at(day, minutes=1))
        content = make_upload_file(kind, export)
        assert (
            content == (GOLDEN / "expected" / outbound_key(kind, day).split("/")[-1]).read_bytes()
        )


@pytest.mark.central
def test_a_day_is_delivered_with_every_record_accounted_for(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    for kind in KINDS:
        row = rehearsal.day(DAYS[0], kind)
        assert row.delivery == "delivered"
        assert row.lines == rehearsal.outage.get(row.object_key or "").count(b"\n")
    assert sums_hold(rehearsal)


def test_a_failed_upload_keeps_no_other_kind_and_no_later_day_back(rehearsal: Rehearsal) -> None:
    rehearsal.refuse(DAYS[0], VERIFICATIONS)
    rehearsal.dawn()
    failures = rehearsal.egress(DAYS[0])
    assert [failure.cause for failure in failures] == [Cause.UPLOAD]
    assert rehearsal.day(DAYS[0], VERIFICATIONS).delivery == "failed"
    assert rehearsal.day(DAYS[0], DIRECT_DEPOSIT_CHANGES).delivery == "delivered"
    assert rehearsal.flag(1) is False, "a failed delivery must not jam VYE"
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[1]) == []


def test_an_older_day_that_fails_again_leaves_the_next_days_clone_alone(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.refuse(DAYS[0])
    for _ in range(2):
        rehearsal.dawn()
        assert len(rehearsal.egress(DAYS[0], now=at(DAYS[1], minutes=1))) == len(KINDS)
    assert rehearsal.flag(1) is False
    assert rehearsal.flag(2) is False, "the next day's records hang from it, and nobody has them"
    assert rehearsal.egress(DAYS[1]) == []
    assert rehearsal.flag(2) is False, "it was first seen a minute ago"
    settle_clones(rehearsal.pipeline, at(DAYS[1], hours=2))
    assert rehearsal.flag(2) is None


def test_a_backfill_sends_each_record_once_and_nothing_that_was_overtaken(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.refuse(DAYS[0])
    for day in DAYS:
        rehearsal.dawn()
        rehearsal.egress(day)
    held_back = [rehearsal.day(DAYS[0], kind) for kind in KINDS]
    assert {row.delivery for row in held_back} == {"failed"}
    assert sums_hold(rehearsal)
    before = rehearsal.lines()
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAYS[0]) == []
    after = rehearsal.lines()
    added = [line for line in after if line not in before]
    assert set(before) <= set(after)
    assert {key for key, _ in added} == {row.object_key for row in held_back}
    assert len(added) == sum(row.lines for row in held_back)
    assert sum(row.counts[Status.SUPERSEDED] for row in held_back) > 0
    assert sums_hold(rehearsal)
    settle_clones(rehearsal.pipeline, at(DAYS[-1], hours=2))
    assert rehearsal.flag(1) is None, "everything of the clone is delivered"


def test_a_delivered_day_is_frozen_and_a_repeat_puts_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    before = [(stored.key, stored.etag) for stored in rehearsal.outage.list("outbound/")]
    rehearsal.correct("vye_user_infos", "stub_nm", "CHANGED")
    rehearsal.refuse(DAYS[0])
    for _ in range(3):
        assert rehearsal.egress(DAYS[0]) == []
    assert [(stored.key, stored.etag) for stored in rehearsal.outage.list("outbound/")] == before
    export = take_export_ready(rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], hours=1))
    assert export.is_frozen


def test_a_corrected_row_goes_out_corrected_and_a_vanished_one_as_it_was(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.refuse(DAYS[0])
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    claims = rehearsal.pipeline.ledger.claimed(DAYS[0], ADDRESS_CHANGES)[1]
    corrected, vanished = claims.loc[claims["disposition"] == "line", "record_id"].iloc[:2]
    export = load_export_ready(rehearsal.pipeline, DAYS[0], ADDRESS_CHANGES)
    street = export.records.set_index("record_id").loc[int(vanished), "address1"]
    rehearsal.correct("vye_address_changes", "address1", "1 Corrected Street", [int(corrected)])
    rehearsal.change("DELETE FROM vye_address_changes WHERE id = :id", id=int(vanished))
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAYS[0]) == []
    sent = b"\n".join(line for _, line in rehearsal.lines()).decode()
    assert "1 Corrected Street" in sent
    assert str(street) in sent
    again = rehearsal.pipeline.ledger.claimed(DAYS[0], ADDRESS_CHANGES)[1].set_index("record_id")
    assert again.loc[int(vanished), "is_vanished"]


def test_a_process_that_died_between_put_and_receipt_is_recovered(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    export = take_export_ready(rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], minutes=1))
    content = make_upload_file(VERIFICATIONS, export)
    keep_upload_file(rehearsal.pipeline, DAYS[0], VERIFICATIONS, export, content)
    rehearsal.outage.put_once(outbound_key(VERIFICATIONS, DAYS[0]), content)
    rehearsal.correct("vye_user_infos", "stub_nm", "CHANGED")
    assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []
    assert rehearsal.day(DAYS[0], VERIFICATIONS).delivery == "delivered"
    assert rehearsal.outage.get(outbound_key(VERIFICATIONS, DAYS[0])) == content


def test_other_bytes_under_the_key_are_a_conflict_and_stay(rehearsal: Rehearsal) -> None:
    key = outbound_key(VERIFICATIONS, DAYS[0])
    rehearsal.outage.put_once(key, b"somebody else's\n")
    rehearsal.dawn()
    (failure,) = rehearsal.egress(DAYS[0], VERIFICATIONS)
    assert failure.cause is Cause.UPLOAD
    assert not failure.is_transient
    fingerprint = rehearsal.pipeline.fingerprint_at(key)
    rendered = rehearsal.pipeline.ledger.file(DAYS[0], VERIFICATIONS)
    assert rendered is not None
    assert f"fingerprint {fingerprint} is there, {rendered.fingerprint} was put" in failure.what
    assert rehearsal.outage.get(key) == b"somebody else's\n"


@pytest.mark.parametrize("moment", ["2025-04-01 09:45:02", "2025-05-01 09:45:02"])
def test_a_record_belongs_where_its_clone_belongs_whenever_it_was_created(
    rehearsal: Rehearsal, moment: str
) -> None:
    rehearsal.dawn()
    rehearsal.change(
        "UPDATE vye_verifications SET created_at = :moment WHERE id ="
        " (SELECT min(v.id) FROM vye_verifications v JOIN vye_user_infos i"
        " ON i.id = v.user_info_id WHERE i.bdn_clone_id = 1)",
        moment=datetime.fromisoformat(moment),
    )
    assert rehearsal.egress(DAYS[0]) == []
    assert rehearsal.flag(1) is False, "VYE can activate its next clone"
    assert rehearsal.unclaimed(VERIFICATIONS, 1) == []
    settle_clones(rehearsal.pipeline, at(DAYS[0], hours=2))
    assert rehearsal.flag(1) is None


def test_a_morning_without_activation_is_a_failure_of_the_source(rehearsal: Rehearsal) -> None:
    failures = rehearsal.egress(DAYS[0])
    assert {failure.cause for failure in failures} == {Cause.SOURCE}
    assert rehearsal.lines() == []
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []


def test_a_day_reads_before_its_cut_off_and_is_put_after_it(rehearsal: Rehearsal) -> None:
    (early,) = rehearsal.egress(DAYS[0], VERIFICATIONS, now=at(DAYS[0], hours=-2))
    assert isinstance(early, Postponed)
    rehearsal.dawn(at(DAYS[0], minutes=-30))
    (early,) = rehearsal.egress(DAYS[0], VERIFICATIONS, now=at(DAYS[0], minutes=-20))
    assert isinstance(early, Postponed)
    assert "go out from 05:45 EDT on" in early.what
    assert rehearsal.pipeline.ledger.record_count(DAYS[0], VERIFICATIONS) > 0
    assert rehearsal.lines() == []
    assert rehearsal.day(DAYS[0], VERIFICATIONS).cause is None
    assert rehearsal.egress(DAYS[0]) == []


def test_a_day_without_records_sends_an_empty_file(rehearsal: Rehearsal) -> None:
    rehearsal.change("DELETE FROM vye_address_changes")
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    assert rehearsal.outage.get(outbound_key(ADDRESS_CHANGES, DAYS[0])) == b""


def test_of_one_users_submissions_only_the_newest_goes_out(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    export = take_export_ready(rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], minutes=1))
    records = export.records.merge(export.claims, on="record_id")
    newest = records.sort_values(["created_at", "record_id"]).groupby("user_info_id").tail(1)
    assert set(records.loc[records["disposition"] != REPLACED, "record_id"]) == set(
        newest["record_id"]
    )
    assert (records["disposition"] == REPLACED).any()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO claims (kind, record_id, partition_date, user_info_id, user_profile_id,"
        " bdn_clone_id, created_at, disposition, line_number, is_vanished)"
        " SELECT kind, -1, partition_date, user_info_id, user_profile_id, bdn_clone_id, created_at,"
        " disposition, line_number, is_vanished FROM claims LIMIT 1",
        "UPDATE claims SET is_vanished = true",
        "DELETE FROM claims",
        "UPDATE files SET fingerprint = 'other'",
        "UPDATE deliveries SET fingerprint = 'other'",
        "DELETE FROM deliveries",
    ],
)
def test_the_database_itself_refuses_to_change_what_was_delivered(
    rehearsal: Rehearsal, statement: str
) -> None:
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    with pytest.raises(DBAPIError, match="delivered, therefore frozen"):
        with rehearsal.pipeline.ledger.engine.begin() as connection:
            connection.execute(text(statement))


def test_the_database_itself_refuses_a_record_in_two_partitions(rehearsal: Rehearsal) -> None:
    rehearsal.refuse(DAYS[0])
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    columns = (
        "record_id, user_info_id, user_profile_id, bdn_clone_id, created_at, transact_date,"
        " disposition, line_number, is_vanished, kind"
    )
    with pytest.raises(DBAPIError), rehearsal.pipeline.ledger.engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO claims (partition_date, {columns})"
                f" SELECT partition_date, {columns} FROM claims"
            )
        )


def test_lines_delivered_late_are_not_missing_before_bdn_had_its_three_days(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    rehearsal.refuse(DAYS[0])
    rehearsal.egress(DAYS[0])
    rehearsal.refuse_nothing()
    rehearsal.egress(DAYS[0], now=at(DAYS[0], days=10))

    def statuses(now: datetime) -> set[str]:
        return set(rehearsal.reconcile(DAYS[0], VERIFICATIONS, now)["status"]) - {"quarantined"}

    assert statuses(at(DAYS[0], days=11)) == {"pending"}
    assert statuses(at(DAYS[0], days=16)) == {"missing"}


def test_bdns_answers_become_statuses_and_a_late_one_replaces_missing(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    faults = Faults(reject=1, garble=1, late=1)
    answer_partition(rehearsal.outage, DAYS[0], faults, received_at=at(DAYS[0], hours=2))
    early, late = at(DAYS[0], hours=3), at(DAYS[0], days=10)

    def counts(now: datetime) -> dict[str, int]:
        rows = rehearsal.reconcile(DAYS[0], VERIFICATIONS, now)
        return {str(key): int(value) for key, value in rows["status"].value_counts().items()}

    assert counts(early)["pending"] == 1
    assert counts(late)["missing"] == 1
    answer_partition(rehearsal.outage, DAYS[0], Faults(), received_at=late)
    settled = counts(late)
    assert "missing" not in settled
    assert (settled["rejected"], settled["mismatched"]) == (1, 1)
    assert sums_hold(rehearsal)


def test_a_malformed_acknowledgement_stays_and_nothing_of_it_is_recorded(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    key = f"inbound/{DAYS[0]}/vawave091.ack"
    rehearsal.outage.put(key, b"Hnonsense\n")
    rows = rehearsal.reconcile(DAYS[0], VERIFICATIONS, at(DAYS[0], hours=3))
    assert set(rows["status"]) <= {"pending", "quarantined"}
    assert rehearsal.outage.get(key) == b"Hnonsense\n"


def test_an_unreachable_source_is_one_line_and_changes_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.change("ALTER TABLE vye_verifications RENAME TO elsewhere")
    rehearsal.dawn()
    with pytest.raises(PipelineError) as caught:
        take_export_ready(rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], minutes=1))
    assert caught.value.cause is Cause.SOURCE
    assert "a table is missing" in str(caught.value)
    assert rehearsal.pipeline.ledger.file(DAYS[0], VERIFICATIONS) is None


def test_a_delivered_day_run_again_and_again_is_put_once(embedded: Settings) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []
    rehearsal.refuse(DAYS[0], VERIFICATIONS)  # any further put would fail
    for _ in range(20):
        assert rehearsal.egress(DAYS[0], VERIFICATIONS) == []


def test_a_day_of_which_everything_was_overtaken_ends_delivered_with_an_empty_file(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.refuse(DAYS[0], ADDRESS_CHANGES)
    rehearsal.dawn()
    rehearsal.egress(DAYS[0])
    held_back = rehearsal.day(DAYS[0], ADDRESS_CHANGES).lines
    rehearsal.change(
        "UPDATE vye_user_infos SET user_profile_id = (SELECT min(user_profile_id) FROM"
        " vye_user_infos) WHERE bdn_clone_id IN (1, 2)"
    )
    rehearsal.egress(DAYS[0])
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[1]) == []
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAYS[0]) == []
    row = rehearsal.day(DAYS[0], ADDRESS_CHANGES)
    assert row.delivery == "delivered"
    assert (row.lines, row.counts[Status.SUPERSEDED]) == (0, held_back)
    assert rehearsal.outage.get(row.object_key or "") == b""
    assert sums_hold(rehearsal)
