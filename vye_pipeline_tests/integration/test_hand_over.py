"""A file handed over by a person is the day's delivery, and excludes a put of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.cli.commands import run
from vye_pipeline.egress import hand_over
from vye_pipeline.egress.outside import Written
from vye_pipeline.egress.redeliver import verify
from vye_pipeline.errors import Cause, PipelineError, UsageError, upload_error
from vye_pipeline.ledger.models import BEGUN, HAND_OVERS, TRIES, UNKNOWN
from vye_pipeline.ledger.rows import BY_HAND
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.recovery.recover import recover
from vye_pipeline.reporting.timeline import timeline
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.outage import Outage
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.storage.object_store import StoredObject
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.test_days import sums_hold

IN_PRODUCTIONS_SHAPE = True
FIRST, SECOND = DAYS[:2]
SOON, LATER = at(FIRST, hours=1), at(FIRST, hours=2)
NOTE = "taken by BDN's operator at 08:30"


class Down(Outage):
    """A store that doesn't answer."""

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """Fails."""
        raise upload_error(
            f"the object store can't be reached, at {prefix}", is_transient=True, next_step="wait"
        )

    def get(self, key: str) -> bytes:
        """Fails."""
        raise upload_error(
            f"the object store can't be reached, at {key}", is_transient=True, next_step="wait"
        )


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """A day whose uploads are refused."""
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    prepared.refuse(FIRST)
    assert prepared.egress(FIRST)
    prepared.refuse_nothing()
    return prepared


def begin(
    rehearsal: Rehearsal, folder: Path, now: datetime = SOON, recipient: Path | None = None
) -> Written:
    return hand_over.begin(
        rehearsal.pipeline,
        FIRST,
        VERIFICATIONS,
        folder,
        recipient=recipient,
        begun_by="operator",
        now=now,
    )


def confirm(rehearsal: Rehearsal, now: datetime = LATER) -> None:
    hand_over.confirm(
        rehearsal.pipeline, FIRST, VERIFICATIONS, note=NOTE, done_by="operator", now=now
    )


def withdraw(rehearsal: Rehearsal, now: datetime = LATER) -> None:
    hand_over.withdraw(
        rehearsal.pipeline, FIRST, VERIFICATIONS, note="not sent", done_by="operator", now=now
    )


def delivery(rehearsal: Rehearsal) -> str:
    return rehearsal.day(FIRST, VERIFICATIONS).delivery


def test_what_is_written_is_what_a_put_would_send(rehearsal: Rehearsal, tmp_path: Path) -> None:
    written = begin(rehearsal, tmp_path / "out")
    by_hand = written.path.read_bytes()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}
    assert begin(rehearsal, tmp_path / "again", LATER).path.read_bytes() == by_hand
    withdraw(rehearsal)
    assert rehearsal.egress(FIRST, now=LATER) == []
    assert rehearsal.sent()[outbound_key(VERIFICATIONS, FIRST)] == by_hand


def test_a_sealed_file_opens_with_the_receivers_key_alone(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    receiver, stranger = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    keys = tmp_path / "bdn.keys"
    keys.write_text(f"# BDN's\n{receiver.to_public()}\n")
    sealed = begin(rehearsal, tmp_path, recipient=keys)
    assert sealed.path.suffix == ".age"
    clear = begin(rehearsal, tmp_path).path.read_bytes()
    assert pyrage.decrypt(sealed.path.read_bytes(), [receiver]) == clear
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed.path.read_bytes(), [stranger])


def test_a_key_that_is_none_is_refused_before_anything_begins(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    keys = tmp_path / "bdn.keys"
    for content, said in (("", "no public key"), ("# none\nage1nonsense\n", "line 2")):
        keys.write_text(content)
        with pytest.raises(UsageError, match=said):
            begin(rehearsal, tmp_path / "out", recipient=keys)
    with pytest.raises(UsageError, match="can't be read"):
        begin(rehearsal, tmp_path / "out", recipient=tmp_path / "nowhere")
    assert rehearsal.pipeline.ledger.open_hand_over(VERIFICATIONS) is None


def test_the_cover_sheet_counts_and_holds_nothing_of_the_lines(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    written = begin(rehearsal, tmp_path)
    sheet, content = written.cover_sheet.read_text(), written.path.read_bytes()
    assert f"Lines:        {len(content.splitlines())}\n" in sheet
    assert written.file.fingerprint is not None
    assert written.file.fingerprint in sheet
    assert "NOT encrypted" in sheet
    for line in content.decode("ascii").splitlines():
        assert not {part for part in (line[7:16], line[16:31].strip()) if part and part in sheet}


def test_until_it_is_decided_the_day_stays_failed_and_nothing_of_its_kind_is_put(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    begin(rehearsal, tmp_path)
    rehearsal.dawn()
    for day in (FIRST, SECOND):
        (refused,) = rehearsal.egress(day, VERIFICATIONS, now=at(SECOND, hours=1))
        assert refused.cause is Cause.UPLOAD
        assert "being handed over by operator" in str(refused)
        assert "--confirm" in refused.next_step
    assert delivery(rehearsal) == "failed"
    assert outbound_key(VERIFICATIONS, SECOND) not in rehearsal.sent()
    told = rehearsal.pipeline.ledger.read(
        lambda connection: timeline(connection, FIRST, FEDERAL_CALENDAR)
    )
    assert any("operator began to hand it over" in line for line in told)
    assert "--confirm" in told[-1]
    (alarm,) = [one for one in alarms(rehearsal.pipeline, SOON) if "hand-over" in one.subject]
    assert f"vye hand-over {FIRST} --kind verifications" in alarm.text
    others = [kind for kind in KINDS if kind is not VERIFICATIONS]
    assert rehearsal.egress(FIRST, *others, now=at(SECOND, hours=1)) == []


def test_confirmed_it_is_a_delivery_as_any_other(rehearsal: Rehearsal, tmp_path: Path) -> None:
    content = begin(rehearsal, tmp_path).path.read_bytes()
    confirm(rehearsal)
    assert delivery(rehearsal) == "delivered"
    assert sums_hold(rehearsal)
    receipt = rehearsal.pipeline.ledger.receipt(FIRST, VERIFICATIONS)
    assert receipt is not None
    assert (receipt.way, receipt.line_count) == (BY_HAND, content.count(b"\n"))
    rehearsal.dawn()
    assert rehearsal.egress(FIRST, now=at(SECOND, hours=1)) == []
    assert rehearsal.egress(SECOND, now=at(SECOND, hours=1)) == []
    assert outbound_key(VERIFICATIONS, FIRST) not in rehearsal.sent(), "no run puts it again"
    assert all(one.state.is_right for one in verify(rehearsal.pipeline, [FIRST]))
    rehearsal.outage.put(outbound_key(VERIFICATIONS, FIRST), content)
    (wrong,) = [one for one in verify(rehearsal.pipeline, [FIRST]) if not one.state.is_right]
    assert "doesn't read both" in wrong.in_words()


def test_its_answers_and_deadline_count_from_the_hand_over(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    content = begin(rehearsal, tmp_path).path.read_bytes()
    late = at(FIRST, days=2)
    confirm(rehearsal, late)
    due_at = FEDERAL_CALENDAR.deadline(FIRST, late)
    minute = timedelta(minutes=1)
    before, after = (
        set(rehearsal.reconcile(FIRST, VERIFICATIONS, moment)["status"])
        for moment in (due_at - minute, due_at + minute)
    )
    assert ("pending" in before, "missing" in after) == (True, True)
    rehearsal.outage.put(outbound_key(VERIFICATIONS, FIRST), content)  # what BDN took by hand
    answer_partition(rehearsal.outage, FIRST, Faults(), received_at=at(FIRST, hours=3))
    rows = rehearsal.reconcile(FIRST, VERIFICATIONS, due_at + 2 * minute)
    assert set(rows["status"]) - {"quarantined"} == {"acknowledged"}


def test_withdrawn_it_goes_out_as_if_nothing_had_been(rehearsal: Rehearsal, tmp_path: Path) -> None:
    begin(rehearsal, tmp_path)
    withdraw(rehearsal)
    assert rehearsal.egress(FIRST, now=LATER) == []
    with pytest.raises(UsageError, match="delivered already"):
        begin(rehearsal, tmp_path, at(FIRST, hours=3))
    for decide in (confirm, withdraw):
        with pytest.raises(UsageError, match="delivered already"):
            decide(rehearsal)


def test_it_can_be_begun_again_after_it_was_withdrawn(rehearsal: Rehearsal, tmp_path: Path) -> None:
    begin(rehearsal, tmp_path)
    withdraw(rehearsal)
    with pytest.raises(UsageError, match="not being handed over"):
        confirm(rehearsal)
    begin(rehearsal, tmp_path, at(FIRST, hours=3))
    confirm(rehearsal, at(FIRST, hours=4))
    assert delivery(rehearsal) == "delivered"


def test_a_day_that_never_ran_can_be_handed_over(settings: Settings, tmp_path: Path) -> None:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    content = begin(rehearsal, tmp_path).path.read_bytes()
    assert content
    confirm(rehearsal)
    assert delivery(rehearsal) == "delivered"


def test_a_store_that_cannot_be_asked_is_what_it_is_for_unless_a_put_may_have_arrived(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    works = rehearsal.outage
    rehearsal.pipeline.__dict__["objects"] = Down(works)
    begin(rehearsal, tmp_path)
    withdraw(rehearsal)
    ledger = rehearsal.pipeline.ledger
    file = ledger.file(FIRST, VERIFICATIONS)
    assert file is not None
    ledger.begin_try(FIRST, VERIFICATIONS, fingerprint=file.fingerprint or "", begun_at=LATER)
    with pytest.raises(PipelineError, match="can't be reached"):
        begin(rehearsal, tmp_path, at(FIRST, hours=3))
    rehearsal.pipeline.__dict__["objects"] = works
    begin(rehearsal, tmp_path, at(FIRST, hours=3))  # the store says that nothing has arrived


def test_the_database_itself_keeps_a_put_and_a_hand_over_apart(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    ledger = rehearsal.pipeline.ledger
    begin(rehearsal, tmp_path)
    row = {"partition_date": FIRST, "kind": VERIFICATIONS.name, "fingerprint": "0" * 64}
    put = row | {"revision": 1, "begun_at": LATER, "outcome": UNKNOWN}
    with pytest.raises(DBAPIError, match="being handed over"), ledger.engine.begin() as connection:
        connection.execute(insert(TRIES).values(put))
    withdraw(rehearsal)
    with ledger.engine.begin() as connection:
        connection.execute(insert(TRIES).values(put))
        first = connection.scalar(select(TRIES.c.id).where(TRIES.c.outcome != UNKNOWN).limit(1))
    step = row | {"try_id": first, "step": BEGUN, "done_by": "operator", "done_at": LATER}
    with pytest.raises(DBAPIError, match="put of it has begun"), ledger.engine.begin() as again:
        again.execute(insert(HAND_OVERS).values(step))


def test_a_lost_ledger_takes_a_hand_over_up_again(rehearsal: Rehearsal, tmp_path: Path) -> None:
    begin(rehearsal, tmp_path)
    confirm(rehearsal)
    before = rehearsal.pipeline.ledger.hand_over_rows(FIRST, VERIFICATIONS)
    new = f"sqlite:///{tmp_path / 'new.db'}"
    lost = Rehearsal.open(rehearsal.pipeline.settings.model_copy(update={"ledger_url": new}))
    done = recover(lost.pipeline, DAYS[0], DAYS[-1], at(FIRST, hours=5))
    assert done.left == []
    receipt = lost.pipeline.ledger.receipt(FIRST, VERIFICATIONS)
    assert receipt is not None
    assert receipt.way == BY_HAND
    assert lost.pipeline.ledger.hand_over_rows(FIRST, VERIFICATIONS).equals(before)
    assert lost.egress(FIRST, VERIFICATIONS, now=at(FIRST, hours=6)) == []
    assert outbound_key(VERIFICATIONS, FIRST) not in lost.sent()


def test_who_did_what_is_in_the_auditors_view(rehearsal: Rehearsal, tmp_path: Path) -> None:
    begin(rehearsal, tmp_path)
    confirm(rehearsal)
    query = text(
        "SELECT action, actor, reason FROM action_history WHERE action LIKE 'hand-over%'"
        " ORDER BY acted_at"
    )
    rows = rehearsal.pipeline.ledger.read(lambda one: one.execute(query).all())
    assert [tuple(row) for row in rows] == [
        ("hand-over, begun", "operator", None),
        ("hand-over, confirmed", "operator", NOTE),
    ]


def test_the_command_says_what_to_do_next(
    rehearsal: Rehearsal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = rehearsal.pipeline.settings
    monkeypatch.setattr("vye_pipeline.cli.handing_over.load_settings", lambda: settings)
    asked = ["hand-over", str(FIRST), "--kind", "verifications"]
    assert run(asked) == 2
    assert run([*asked, "--confirm", NOTE]) == 2
    assert run([*asked, "--to", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "--confirm" in said.out
    assert "NOT encrypted" in said.err
    assert run([*asked, "--withdraw", "the SSN is 900123456"]) == 2
    assert run([*asked, "--withdraw", "not needed"]) == 0
    assert "withdrawn" in capsys.readouterr().out
