"""Every way in which BDN can answer, from its objects to the statuses in the ledger."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from sqlalchemy import func, select

from vye_pipeline.alerting.alarms import alarms
from vye_pipeline.bdn.file_names import FEED_NAME, acknowledgement_key, file_name, shown
from vye_pipeline.business_days import FEDERAL_CALENDAR
from vye_pipeline.cli import commands
from vye_pipeline.egress.redeliver import redeliver
from vye_pipeline.errors import PipelineError
from vye_pipeline.ledger.models import ACKNOWLEDGEMENTS, RECONCILIATIONS
from vye_pipeline.ledger.rows import MOST_LISTED
from vye_pipeline.reconciliation.feed import take_feed
from vye_pipeline.reconciliation.limits import acknowledgement_bytes
from vye_pipeline.reconciliation.orphans import (
    IN_THE_FUTURE,
    NEARLY,
    NEVER_SENT,
    NO_DAY,
    NO_FILE,
    NO_REVISION,
    TOO_EARLY,
    find_orphans,
)
from vye_pipeline.reconciliation.reconcile import receive
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.records.layout import split_lines
from vye_pipeline.reporting.calendar import orphans
from vye_pipeline.reporting.timeline import timeline
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY = DAYS[0]
SOON, LATE = at(DAY, hours=3), at(DAY, days=20)
KEY = acknowledgement_key(VERIFICATIONS, DAY)


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    assert prepared.egress(DAY) == []
    return prepared


def lines_of(rehearsal: Rehearsal) -> list[str]:
    """Returns the lines of verifications that BDN was sent."""
    key = rehearsal.day(DAY, VERIFICATIONS).object_key or ""
    return [str(line) for line in split_lines(rehearsal.outage.get(key)).to_pylist()]


def answer(lines: list[str], received: int, rejected: frozenset[int] = frozenset()) -> bytes:
    """Returns an acknowledgement that lists lines under numbers from 1."""
    head = f"H{file_name(VERIFICATIONS, DAY):<24}20250401120000{received:09}F    \n"
    details = "".join(
        f"D{number:09}{'RR001' if number in rejected else 'A    '}{line}\n"
        for number, line in enumerate(lines, 1)
    )
    return f"{head}{details}T{len(lines) - len(rejected):09}{len(rejected):09}\n".encode()


def statuses(rehearsal: Rehearsal, now: datetime = SOON) -> dict[str, int]:
    """Reconciles verifications and counts the statuses of lines and unexpected answers."""
    rows = rehearsal.reconcile(DAY, VERIFICATIONS, now)
    counts = rows["status"].value_counts().to_dict()
    counts.pop("quarantined", None)
    return {str(status): int(count) for status, count in counts.items()}


def test_answers_of_every_shape_become_the_statuses_they_say(rehearsal: Rehearsal) -> None:
    lines = lines_of(rehearsal)
    count = len(lines)
    whole = answer(lines, count)
    stranger = "XYZ    " + "990000000" + lines[0][16:]
    cut = b"\n".join(one.rstrip() for one in whole.splitlines())
    some = answer(lines, count, frozenset({2}))
    shapes: list[tuple[str, bytes, dict[str, int]]] = [
        ("full", whole, {"acknowledged": count}),
        ("CR LF", whole.replace(b"\n", b"\r\n"), {"acknowledged": count}),
        ("blanks cut", cut, {"acknowledged": count}),
        ("one rejected", some, {"acknowledged": count - 1, "rejected": 1}),
        ("shuffled", answer(lines[::-1], count), {"acknowledged": count}),
        ("one lost", answer(lines[1:], count - 1), {"acknowledged": count - 1, "missing": 1}),
        ("one left open", answer(lines[:-1], count), {"acknowledged": count - 1, "pending": 1}),
        (
            "one invented",
            answer([*lines, stranger], count + 1),
            {"acknowledged": count, "unexpected": 1},
        ),
        (
            "an echo of a stranger",
            answer([stranger, *lines[1:]], count),
            {"acknowledged": count - 1, "missing": 1, "unexpected": 1},
        ),
    ]
    for number, (name, content, expected) in enumerate(shapes):
        rehearsal.outage.put(KEY, content)
        assert statuses(rehearsal, SOON + timedelta(minutes=number)) == expected, name
    with rehearsal.pipeline.ledger.transaction() as connection:
        known = connection.scalar(select(func.count()).select_from(ACKNOWLEDGEMENTS))
    assert known == len(shapes), "each that was replaced is kept"


def test_supplements_in_any_order_and_weeks_late_settle_what_was_open(
    rehearsal: Rehearsal,
) -> None:
    lines = lines_of(rehearsal)
    count = len(lines)

    def part(first: int, last: int) -> bytes:
        whole = answer(lines, count).splitlines(keepends=True)
        listed = last - first
        return whole[0] + b"".join(whole[1 + first : 1 + last]) + f"T{listed:09}{0:09}\n".encode()

    rehearsal.outage.put(acknowledgement_key(VERIFICATIONS, DAY, 3), part(4, count))
    assert statuses(rehearsal) == {"acknowledged": count - 4, "pending": 4}
    rehearsal.outage.put(KEY, part(0, 2))
    assert statuses(rehearsal, LATE) == {"acknowledged": count - 2, "missing": 2}
    rehearsal.outage.put(acknowledgement_key(VERIFICATIONS, DAY, 2), part(2, 4))
    assert statuses(rehearsal, LATE) == {"acknowledged": count}
    keys = rehearsal.reconcile(DAY, VERIFICATIONS, LATE).set_index("line_number")
    assert keys.loc[1, "acknowledgement_key"] == KEY
    assert keys.loc[3, "acknowledgement_key"] == f"{KEY}.2"
    assert keys.loc[5, "acknowledgement_key"] == f"{KEY}.3"


def test_the_same_answer_from_elsewhere_is_no_change(rehearsal: Rehearsal) -> None:
    whole = answer(lines_of(rehearsal), len(lines_of(rehearsal)))
    rehearsal.outage.put(f"{KEY}.2", whole)
    statuses(rehearsal)
    rehearsal.outage.put(KEY, whole)
    statuses(rehearsal)
    with rehearsal.pipeline.ledger.transaction() as connection:
        acknowledged = connection.scalar(
            select(func.count()).where(RECONCILIATIONS.c.status == "acknowledged")
        )
    assert acknowledged == len(lines_of(rehearsal))


def test_an_answer_that_arrives_in_pieces_counts_when_it_is_whole(rehearsal: Rehearsal) -> None:
    whole = answer(lines_of(rehearsal), len(lines_of(rehearsal)))
    for length in (10, 60, len(whole) // 2, len(whole) - 5):
        rehearsal.outage.put(KEY, whole[:length])
        received = receive(rehearsal.pipeline, DAY, VERIFICATIONS, SOON)
        assert len(received.malformed) == 1
        assert statuses(rehearsal) == {"pending": len(lines_of(rehearsal))}
    rehearsal.outage.put(KEY, whole)
    assert receive(rehearsal.pipeline, DAY, VERIFICATIONS, SOON).malformed == []
    assert statuses(rehearsal) == {"acknowledged": len(lines_of(rehearsal))}


def test_an_answer_to_nothing_is_kept_and_named_until_it_is_explained(
    rehearsal: Rehearsal,
) -> None:
    saturday = DAYS[-1] + timedelta(days=1)
    monday = FEDERAL_CALENDAR.business_days_after(DAYS[-1], 1)
    whole = answer(lines_of(rehearsal), len(lines_of(rehearsal)))
    placed: dict[date, dict[str, str]] = {
        DAY: {
            f"inbound/{DAY}/vawave999.ack": NO_FILE,
            acknowledgement_key(VERIFICATIONS, DAY, revision=2): NO_REVISION,
        },
        DAYS[1]: {acknowledgement_key(VERIFICATIONS, DAYS[1]): NEVER_SENT},
        monday: {f"inbound/{saturday}/vawave095.ack": NEVER_SENT},
    }
    for keys in placed.values():
        for key in keys:
            rehearsal.outage.put(key, whole)
    rehearsal.outage.put(f"inbound/{DAY}/WAVE.txt", b"the feed is no orphan")
    rehearsal.outage.put(KEY, whole)
    for day, keys in placed.items():
        found = find_orphans(rehearsal.pipeline, day, LATE)
        assert {orphan.object_key: orphan.reason for orphan in found} == keys
        for orphan in found:
            assert rehearsal.pipeline.snapshots.get(orphan.snapshot_name) == whole
            assert "ask BDN" in orphan.in_words()
    known = rehearsal.pipeline.ledger.read(lambda connection: orphans(connection, [*DAYS, monday]))
    assert {one.object_key for one in known} == {key for keys in placed.values() for key in keys}
    redeliver(
        rehearsal.pipeline, DAY, VERIFICATIONS, requested_by="operator", reason="lost", now=LATE
    )
    reasons = {orphan.reason for orphan in find_orphans(rehearsal.pipeline, DAY, LATE)}
    assert reasons == {NO_FILE}, "what was explained is no orphan any more"


NEARLY_RIGHT = (
    f"{KEY}.99999999999999999999",
    KEY.upper().replace("INBOUND", "inbound"),
    f"{KEY[:-4]}.ACK",
    f"{KEY}.02",
    f"{KEY}.0",
    f"{KEY}.1",
    f"{KEY}.txt",
    f"{KEY}.filepart",
    f"{KEY}\n",
    KEY.replace("vawave", "._vawave"),
    KEY.replace("vawave", "copy/vawave"),
)


def test_a_name_that_is_nearly_right_is_an_orphan_everywhere(
    rehearsal: Rehearsal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = answer(lines_of(rehearsal), len(lines_of(rehearsal)))
    on_s3 = rehearsal.pipeline.settings.objects_url.startswith("s3://")
    # moto's own routes take no line feed in a key, though S3 does.
    keys = [key for key in NEARLY_RIGHT if not (on_s3 and "\n" in key)]
    for key in keys:
        put_as_anybody(rehearsal, key, whole)
    assert statuses(rehearsal) == {"pending": len(lines_of(rehearsal))}
    found = find_orphans(rehearsal.pipeline, DAY, SOON)
    assert {orphan.reason for orphan in found} == {NEARLY}
    assert {orphan.object_key for orphan in found} == {shown(key) for key in keys}
    with rehearsal.pipeline.ledger.transaction() as connection:
        told = timeline(connection, DAY, FEDERAL_CALENDAR)
    for orphan in found:
        assert any(orphan.in_words() in line for line in told)
    (alarm,) = [
        one for one in alarms(rehearsal.pipeline, at(DAY, hours=4)) if "orphan" in one.subject
    ]
    assert all(orphan.object_key in alarm.text for orphan in found[:3])
    assert f"{len(found)} " in alarm.text


def test_what_lies_in_no_day_s_folder_is_an_orphan_of_the_newest_day(rehearsal: Rehearsal) -> None:
    name = KEY.rpartition("/")[2]
    keys = {
        f"inbound/{name}",
        f"inbound/20250401/{name}",
        f"inbound/2025-02-31/{name}",
        f"inbound/1999-01-04/{name}",
        f"inbound/{DAY + timedelta(days=30)}/{name}",
        "inbound/900123456.ack",
        "inbound/900123457.ack",
    }
    for key in keys:
        put_as_anybody(rehearsal, key, b"H")
    assert find_orphans(rehearsal.pipeline, DAY, at(DAYS[1], hours=3)) == []
    for day in (DAY, DAYS[1]):
        found = find_orphans(rehearsal.pipeline, day, at(day, hours=3))
        assert {orphan.reason for orphan in found} == {NO_DAY}
        assert len(found) == len(keys)
        assert not any("900123" in orphan.object_key for orphan in found)
        known = rehearsal.pipeline.ledger.read(lambda connection: orphans(connection, DAYS[:2]))
        assert {one.partition_date for one in known} == {day}, "each is on record once"


def put_as_anybody(rehearsal: Rehearsal, key: str, content: bytes) -> None:
    """Puts an object under a key that the pipeline itself would never write."""
    url = rehearsal.pipeline.settings.objects_url
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=content)
        return
    path = Path(url.removeprefix("file://")) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def received(content: bytes, hour: str) -> bytes:
    """Returns an answer with another time of receipt."""
    return content.replace(b"20250401120000", f"{hour}0000".encode())


def test_an_answer_from_before_our_file_counts_for_nothing_ever(rehearsal: Rehearsal) -> None:
    lines = lines_of(rehearsal)
    whole = answer(lines, len(lines))
    given = [("2025033104", TOO_EARLY), ("2025040800", IN_THE_FUTURE)]
    for minute, (hour, reason) in enumerate(given):
        rehearsal.outage.put(KEY, received(whole, hour))
        now = SOON + timedelta(minutes=minute)
        assert statuses(rehearsal, now) == {"pending": len(lines)}
        assert [one.reason for one in find_orphans(rehearsal.pipeline, DAY, SOON)] == [reason]
    told = rehearsal.pipeline.ledger.read(
        lambda connection: timeline(connection, DAY, FEDERAL_CALENDAR)
    )
    assert sum("counts for nothing" in line for line in told) == 2
    assert statuses(rehearsal, LATE) == {"missing": len(lines)}, "judged once, at the first read"
    rehearsal.outage.put(KEY, whole)
    later = LATE + timedelta(minutes=1)
    assert statuses(rehearsal, later) == {"acknowledged": len(lines)}
    assert find_orphans(rehearsal.pipeline, DAY, later) == []
    rehearsal.outage.put(KEY, received(whole, "2025033105"))
    later = LATE + timedelta(minutes=2)
    assert statuses(rehearsal, later) == {"acknowledged": len(lines)}, "it takes nobody's place"


def test_an_answer_that_was_there_before_the_delivery_counts_for_nothing(
    settings: Settings,
) -> None:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.dawn()
    rehearsal.refuse(DAY)
    assert len(rehearsal.egress(DAY)) == len(KINDS)
    content = f"H{file_name(VERIFICATIONS, DAY):<24}20250401050000{99:09}R    \nT{99:09}{0:09}\n"
    rehearsal.outage.put(KEY, content.encode())
    waiting = statuses(rehearsal)
    assert set(waiting) == {"undelivered"}
    assert [one.reason for one in find_orphans(rehearsal.pipeline, DAY, SOON)] == [NEVER_SENT]
    rehearsal.refuse_nothing()
    assert rehearsal.egress(DAY, now=at(DAY, days=1)) == []
    now = at(DAY, days=1, hours=1)
    assert statuses(rehearsal, now) == {"pending": waiting["undelivered"]}
    assert [one.reason for one in find_orphans(rehearsal.pipeline, DAY, now)] == [TOO_EARLY]


def test_a_clock_that_is_hours_behind_is_one_alert_and_nothing_is_missing(
    rehearsal: Rehearsal,
) -> None:
    lines = lines_of(rehearsal)
    early = SOON - timedelta(hours=8)
    answer_partition(rehearsal.outage, DAY, Faults(), received_at=early)
    for kind in KINDS:
        counts = rehearsal.reconcile(DAY, kind, LATE)["status"].value_counts()
        assert "missing" not in counts
    assert statuses(rehearsal, LATE) == {"pending": len(lines)}
    assert len(find_orphans(rehearsal.pipeline, DAY, LATE)) == len(KINDS)
    told = [one for one in alarms(rehearsal.pipeline, LATE) if "clock" in one.subject]
    assert [str(DAY) in one.text and "5 hours" in one.text for one in told] == [True]
    assert not any("orphan" in one.subject for one in alarms(rehearsal.pipeline, LATE))
    for kind in KINDS:
        rehearsal.outage.delete(acknowledgement_key(kind, DAY))
    answer_partition(rehearsal.outage, DAY, Faults(), received_at=SOON)
    later = LATE + timedelta(minutes=1)
    for kind in KINDS:
        rehearsal.reconcile(DAY, kind, later)
    assert statuses(rehearsal, later) == {"acknowledged": len(lines)}
    find_orphans(rehearsal.pipeline, DAY, later)
    assert not any("clock" in one.subject for one in alarms(rehearsal.pipeline, later))


def test_the_calendar_names_the_orphans(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.outage.put(f"inbound/{DAY}/vawave999.ack", b"H")
    find_orphans(rehearsal.pipeline, DAY, LATE)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["status", "--from", str(DAY), "--to", str(DAYS[1])]) == commands.SUCCESS
    assert f"inbound/{DAY}/vawave999.ack is an orphaned acknowledgement" in capsys.readouterr().out


def test_an_empty_file_is_answered_like_any_other(settings: Settings) -> None:
    rehearsal = Rehearsal.prepare(settings)
    rehearsal.change("DELETE FROM vye_verifications")
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    rehearsal.outage.put(KEY, answer([], 0))
    assert statuses(rehearsal) == {}
    assert rehearsal.day(DAY, VERIFICATIONS).is_settled


def test_refusals_and_rejects_only_answers_are_of_the_whole_file(rehearsal: Rehearsal) -> None:
    count = len(lines_of(rehearsal))
    answer_partition(rehearsal.outage, DAY, Faults(refuse=True), received_at=SOON)
    assert statuses(rehearsal) == {"rejected": count}
    head = f"H{file_name(VERIFICATIONS, DAY):<24}20250401120000{count:09}R    \n"
    reject = f"D{1:09}RR001{lines_of(rehearsal)[0]}\n"
    rehearsal.outage.put(KEY, f"{head}{reject}T{count - 1:09}{1:09}\n".encode())
    assert statuses(rehearsal, LATE) == {"acknowledged": count - 1, "rejected": 1}


def grown(rehearsal: Rehearsal, key: str, size: int) -> None:
    """Puts an object of so many bytes, of which the disk holds none."""
    put_as_anybody(rehearsal, key, b"H")
    path = Path(rehearsal.pipeline.settings.objects_url.removeprefix("file://")) / key
    os.truncate(path, size)


def test_what_is_too_large_is_not_read(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    feed, stray = f"inbound/{DAY}/{FEED_NAME}", f"inbound/{DAY}/stray"
    for key in (KEY, feed, stray):
        grown(rehearsal, key, 5 * 2**30)

    def read(key: str) -> bytes:
        raise AssertionError(f"{key} is read")

    monkeypatch.setattr(rehearsal.outage, "get", read)
    received = receive(rehearsal.pipeline, DAY, VERIFICATIONS, SOON)
    assert ["5,368,709,120 bytes" in error.fault for error in received.malformed] == [True]
    with pytest.raises(PipelineError, match=r"5,368,709,120 bytes.*isn't read"):
        take_feed(rehearsal.pipeline, DAY, SOON)
    (orphan,) = find_orphans(rehearsal.pipeline, DAY, SOON)
    assert "5,368,709,120 bytes, which were not read" in orphan.in_words()


def test_the_largest_honest_answer_is_read(rehearsal: Rehearsal) -> None:
    lines = [line.ljust(400) for line in lines_of(rehearsal)]
    assert len(answer(lines, len(lines))) < acknowledgement_bytes(len(lines))


def test_a_flood_of_strays_is_summed_up(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    for number in range(60):
        put_as_anybody(rehearsal, f"inbound/{DAY}/junk{number}", b"H")
    assert len(find_orphans(rehearsal.pipeline, DAY, SOON)) == 60
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["status", "--from", str(DAY), "--to", str(DAY)]) == commands.SUCCESS
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("is an orphaned acknowledgement") == MOST_LISTED
    assert "and 40 more orphaned acknowledgements" in printed


def test_a_key_that_leads_elsewhere_stops_nothing(s3_bucket: str, embedded: Settings) -> None:
    url = f"s3://{s3_bucket}/exchange"
    rehearsal = Rehearsal.prepare(embedded.model_copy(update={"object_store_url": url}))
    rehearsal.dawn()
    assert rehearsal.egress(DAY) == []
    put_as_anybody(rehearsal, f"inbound/{DAY}/../../secret", b"H")
    (orphan,) = find_orphans(rehearsal.pipeline, DAY, SOON)
    assert "leads out of its folder" in orphan.reason
    assert rehearsal.pipeline.snapshots.get(orphan.snapshot_name) != b"H"
