"""No unkeyed digest of a personal file, line or value lies anywhere: who has one can guess it.

All that days with failures, answers, a feed, a redelivery, hand-overs and a recovery leave is
searched at every byte. The one place left out is S3 itself: its ETags and checksums.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from functools import partial
from hashlib import sha256
from io import StringIO
from itertools import permutations
from pathlib import Path
from typing import Any
from zlib import crc32

import boto3
import psycopg
import pyrage
import pytest
from sqlalchemy.engine import make_url

from vye_pipeline.alerting.metrics import StatsdMetrics
from vye_pipeline.alerting.notifier import SlackNotifier
from vye_pipeline.bdn.file_names import acknowledgement_key, outbound_key
from vye_pipeline.cli.commands import SUCCESS, run
from vye_pipeline.context import Context
from vye_pipeline.ledger.schema import upgrade
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.feed import write_feed
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.storage.snapshots import SnapshotStore, open_snapshots
from vye_pipeline_tests.integration.conftest import settings
from vye_pipeline_tests.integration.daemon import Daemon
from vye_pipeline_tests.integration.earlier_ledgers import engine_of, reflected
from vye_pipeline_tests.integration.listeners import SlackListener, StatsdListener
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.test_migrations import insert_row
from vye_pipeline_tests.reliability.digests import DIGESTS, FORMS, Digests
from vye_pipeline_tests.variables import variables

__all__ = ["settings"]

pytestmark = pytest.mark.long

IN_PRODUCTIONS_SHAPE = True
FIRST, SECOND, THIRD, _ = DAYS
SENSORS = ("acknowledgements_arrive", "reconcile_after_failed_egress", "watch")
OF_A_KIND = ("--kind", "verifications")
WHY = ("--reason", "it was asked for")
COMMANDS = (
    ("status", "--json"),
    ("status", "--verify"),
    ("explain", str(FIRST)),
    ("explain", str(SECOND)),
    ("affected", "--json"),
    ("affected", "--csv", "{folder}/affected.csv"),
    ("redeliver", str(FIRST), *OF_A_KIND, *WHY),
    ("hold", "1", *WHY),
    ("preview", str(THIRD), "--json"),
    ("egress", str(THIRD), "--dry-run"),
    ("hand-over", str(THIRD), *OF_A_KIND, "--to", "{folder}/sealed", "--recipient", "{keys}"),
    ("hand-over", str(THIRD), *OF_A_KIND, "--confirm", "the courier took it"),
    ("hand-over", str(THIRD), "--kind", "address_changes", "--to", "{folder}/clear"),
    ("hand-over", str(THIRD), "--kind", "address_changes", "--withdraw", "nobody came"),
    ("backfill", "--failed"),
    ("snapshots", "renew"),
    ("report",),
)
SEPARATORS = (b"", b" ", b",", b"|")
SHORTEST = 5  # characters of a value that says something about somebody


def files_of(rehearsal: Rehearsal) -> dict[str, bytes]:
    """Returns all files exchanged with BDN, by key."""
    return {one.key: rehearsal.outage.get(one.key) for one in rehearsal.outage.list("")}


def contents(files: dict[str, bytes], tables: Path) -> Iterator[bytes]:
    """Yields what somebody with files and tables could digest: whole, by line, value and pair."""
    for key, content in files.items():
        yield from (content, content.strip())
        for etag in (DIGESTS[name](content).hex() for name in ("md5", "sha256")):
            yield from (etag.encode(), f'"{etag}"'.encode(), f"{key}{etag}".encode())
            yield repr([(key, etag)]).encode()
        for line in content.splitlines():
            yield from (line, line + b"\n", line + b"\r\n", line.strip())
    for kind in KINDS:
        for day in DAYS[:3]:
            yield from pairs(parse(kind, split_lines(files.get(outbound_key(kind, day), b""))))
    for table in tables.glob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                yield from (value.encode() for value in row if len(value) >= SHORTEST)


def pairs(fields: Mapping[str, Any]) -> Iterator[bytes]:
    """Yields who somebody is, joined with what belongs to them."""
    telling = ("ssn", "td_number", "stub_nm", "full_name", "veteran_name", "acct_no", "address1")
    columns = [values.to_pylist() for name, values in fields.items() if name in telling]
    for row in zip(*columns, strict=True):
        for pair in permutations((str(value).strip().encode() for value in row), 2):
            yield from (one.join(pair) for one in SEPARATORS)


def run_days(rehearsal: Rehearsal) -> str:
    """Runs days with failures, answers and a feed as the daemon does; returns what it has said."""
    said: list[str] = []
    opened = rehearsal.pipeline.settings
    with SlackListener() as slack, StatsdListener() as statsd, open_instance(opened) as instance:
        notifier = SlackNotifier("xoxb-none", "#vye-alerts", slack.url)
        metrics = StatsdMetrics("127.0.0.1", statsd.port)
        daemon = Daemon(rehearsal.pipeline, instance, at(FIRST), notifier, metrics)

        def look(day: date, hours: float) -> None:
            for name in SENSORS:
                runs = daemon.sensor(name, at(day, hours=hours))
                said.extend(str(one.dagster_run.tags) for one in runs)
                said.append(daemon.cursor(name) or "")

        rehearsal.dawn()
        rehearsal.refuse(FIRST, KINDS[1])
        assert not daemon.egress(str(FIRST), at(FIRST, minutes=1)).success
        look(FIRST, 0.5)
        rehearsal.refuse_nothing()
        assert daemon.egress(str(FIRST), at(FIRST, minutes=40)).success
        faults = Faults(reject=2, drop=1, garble=2)
        answer_partition(rehearsal.outage, FIRST, faults, received_at=at(FIRST, hours=1))
        look(FIRST, 2)
        sent = rehearsal.outage.get(outbound_key(VERIFICATIONS, FIRST))
        malformed = acknowledgement_key(VERIFICATIONS, FIRST, sequence=2)
        rehearsal.outage.put(malformed, sent.splitlines()[0])
        look(FIRST, 3)
        rehearsal.dawn()
        another = outbound_key(VERIFICATIONS, SECOND)
        rehearsal.outage.put(another, sent.splitlines(keepends=True)[0])
        assert not daemon.egress(str(SECOND), at(SECOND, minutes=1)).success
        look(SECOND, 1)
        rehearsal.outage.delete(another)
        daemon.egress(str(SECOND), at(SECOND, hours=1))
        write_feed(rehearsal.outage, SECOND, FIRST)
        look(SECOND, 2)
        rehearsal.dawn()
        rehearsal.refuse(THIRD)
        assert not daemon.egress(str(THIRD), at(THIRD, minutes=1)).success
        look(THIRD, 1)
        return "\n".join([*said, *slack.heard(), *statsd.heard()])


def type_commands(rehearsal: Rehearsal, ledger_url: str) -> str:
    """Types what an operator may type, a recovery with another ledger last; returns what's said."""
    folder = rehearsal.pipeline.settings.folder
    keys = folder / "receiver.keys"
    keys.write_text(f"{pyrage.x25519.Identity.generate().to_public()}\n", encoding="utf-8")
    printed = StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        for name, value in variables(rehearsal.pipeline.settings).items():
            patch.setenv(name, value)
        for command in COMMANDS:
            words = [word.format(folder=folder, keys=keys) for word in command]
            assert run(words) == SUCCESS, (command, printed.getvalue()[-300:])
        patch.setenv("VYE_LEDGER_URL", ledger_url)
        for words in (["recover"], ["status", "--json"]):
            assert run(words) == SUCCESS, printed.getvalue()[-300:]
    return printed.getvalue()


def kept(rehearsal: Rehearsal, ledger_urls: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields all that lies anywhere but in S3, and of S3 what isn't its own."""
    opened = rehearsal.pipeline.settings
    for path in sorted(opened.folder.rglob("*")):
        yield str(path.relative_to(opened.folder)), str(path).encode()
        if path.is_file():
            yield str(path.relative_to(opened.folder)), path.read_bytes()
    for name in rehearsal.pipeline.snapshots.names(""):
        yield "a snapshot's name", name.encode()
        yield f"the content of {name}", rehearsal.pipeline.snapshots.get(name)
    for url in ledger_urls:
        if url.startswith("postgresql"):
            yield "the ledger", dump(url)
    if opened.objects_url.startswith("s3"):
        client, bucket = boto3.client("s3"), make_url(opened.objects_url).host or ""
        for found in client.list_objects_v2(Bucket=bucket)["Contents"]:
            head = client.head_object(Bucket=bucket, Key=found["Key"])
            yield found["Key"], repr([found["Key"], head["Metadata"], head["ContentType"]]).encode()


def dump(url: str) -> bytes:
    """Returns all rows of a PostgreSQL database as text."""
    place = make_url(url)
    host, database = str(place.query["host"]), place.database
    rows: list[bytes] = []
    with psycopg.connect(host=host, dbname=database, user=place.username) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in connection.execute(query).fetchall():
            with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
                rows.extend(bytes(one) for one in copy)
    return b"".join(rows)


def another_ledger(settings: Settings, request: pytest.FixtureRequest) -> str:
    if settings.ledger_database_url.startswith("sqlite"):
        return f"sqlite:///{settings.folder / 'recovered.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.database()


def test_nothing_that_days_leave_is_an_unkeyed_digest(
    settings: Settings,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    waits: list[float],
) -> None:
    caplog.set_level("INFO")
    rehearsal = Rehearsal.prepare(settings)
    said = run_days(rehearsal)
    files = files_of(rehearsal)
    second = another_ledger(settings, request)
    said += type_commands(rehearsal, second)
    files |= files_of(rehearsal)
    digests = Digests(contents(files, settings.folder / "tables"))
    assert len(digests) > 100_000
    left = [("what was said", said.encode()), ("the log", caplog.text.encode())]
    left += kept(rehearsal, [settings.ledger_database_url, second])
    if settings.ledger_database_url.startswith("postgresql"):
        server: PostgreSQL = request.getfixturevalue("postgresql")
        left += [
            (path.name, path.read_bytes())
            for place in ("data/base", "data/pg_wal", "log")
            for path in (server.folder / place).rglob("*")
            if path.is_file()
        ]
    for wanted in ("report.html", "affected.csv", "dagster", "sealed", "clear", "snapshots/"):
        assert any(wanted in name for name, _ in left) or settings.snapshot_url, wanted
    found = {name: one for name, content in left if (one := digests.found(content))}
    assert found == {}


def planted(digest: str, form: str, content: bytes) -> bytes:
    return b"a row, " + FORMS[form](DIGESTS[digest](content)) + b" and what follows"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("digest", DIGESTS)
def test_the_search_finds_each_digest_that_is_planted(digest: str, form: str) -> None:
    file, line, ssn = b"JANE DO900123456\n", b"JANE DO900123456", b"900123456"
    digests = Digests([file, line, ssn])
    for content in (file, line, ssn):
        assert digests.found(planted(digest, form, content)) == {digest}
    assert digests.found(planted(digest, form, b"900123457")) == set()


def test_the_search_finds_short_digests_that_are_met_more_than_once() -> None:
    digests = Digests([b"900123456", b"900123457"])
    one, other = (f"{crc32(ssn):08x}" for ssn in (b"900123456", b"900123457"))
    assert digests.found(f"{one} {other}".encode()) == {"crc32"}
    assert digests.found(f"{one} {one}".encode()) == set()


def test_the_search_finds_a_pipeline_that_knows_plain_digests(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SnapshotStore, "fingerprint_of_digest", lambda _, sha256: sha256)
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(FIRST) == []
    digests = Digests(contents(files_of(rehearsal), embedded.folder / "tables"))
    found = {name for name, content in kept(rehearsal, []) if digests.found(content)}
    assert {"ledger.db-wal", "a snapshot's name"} <= found


def test_a_ledger_that_knew_plain_digests_keeps_no_byte_of_them(embedded: Settings) -> None:
    ssns = [f"9001234{number:02}".encode() for number in range(50)]
    opened = partial(open_snapshots, embedded)
    engine = engine_of(embedded)
    upgrade(engine, opened, "0015")
    with engine.begin() as connection:
        feeds = next(one for one in reflected(connection) if one.name == "feeds")
        for ssn in ssns:
            old = sha256(ssn).hexdigest()
            insert_row(connection, feeds, sha256=old, snapshot_name=f"2025-04-01/feed-{old}")
            opened().put(f"2025-04-01/feed-{old}", ssn)
    digests = Digests(ssns)
    assert any(digests.found(path.read_bytes()) for path in embedded.folder.glob("ledger.db*"))
    engine.dispose()
    Context(embedded).ledger.engine.dispose()
    for path in (path for path in embedded.folder.rglob("*") if path.is_file()):
        assert digests.found(path.read_bytes() + str(path).encode()) == set(), path
