"""One hostile string through every field that others write, to every output.

VYE's columns, BDN's answers and feed, names of objects, S3's refusals, meanings of reason codes,
closures, notes and the names of this process's user are written by others. Terminal, JSON, CSV,
workbook, page, Slack and Dagster's events show them, or none of it, and nothing acts on it.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import String, Table, select, update

from vye_pipeline.alerting.notifier import SlackNotifier
from vye_pipeline.bdn.file_names import FEED_NAME, acknowledgement_key, inbound_prefix
from vye_pipeline.cli import commands
from vye_pipeline.context import Context
from vye_pipeline.ledger.models import REASON_CODES
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import ADDRESS_CHANGES, KINDS
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.settings import load_settings
from vye_pipeline.simulation.outage import Outage
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.storage.s3_errors import classified
from vye_pipeline.vye_database.tables import Base
from vye_pipeline_tests.hostile import FORMULAS, HOSTILE, PRINTABLE, unseen
from vye_pipeline_tests.integration.daemon import Daemon
from vye_pipeline_tests.integration.listeners import SlackListener
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.variables import variables

pytestmark = pytest.mark.long

FIRST, SECOND = DAYS[:2]
PERSONAL = "planted-personal"  # what VYE's columns hold beside the hostile text
# What each text that may be shown holds beside it, so that it is found where it is shown.
CODE, MEANING, CLOSURE, NOTE = "mark-code", "mark-meaning", "mark-day", "mark-note"
SHOWN = {CODE, MEANING, CLOSURE, NOTE}
ALL = tuple(kind.name for kind in KINDS)
NAMES = ("USER", "LOGNAME", "SUDO_USER", "USERNAME")


class Refusing(Outage):
    """A store that refuses what it is told to with a hostile code and message."""

    def create(self, key: str, content: bytes) -> bool:
        """Fails for the keys in `refused`, as S3 does."""
        if key in self.refused:
            error = {"Code": f"{CODE} {HOSTILE}", "Message": f"{CODE} {HOSTILE}"}
            answer: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}
            refusal = ClientError(answer, "PutObject")
            raise classified(refusal, "the upload", f"s3://bucket/{key}", "https://s3.example")
        return super().create(key, content)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """A pipeline in which others have written what they like; two days have run in Dagster."""
    closure = f"2098-04-18={CLOSURE} {HOSTILE}"  # doctor shows those to come
    settings = load_settings(local_dir=tmp_path / "local", start_date=FIRST, closures=closure)
    for name, value in variables(settings).items():
        monkeypatch.setenv(name, value)
    for name in NAMES:
        monkeypatch.setenv(name, PRINTABLE)
    rehearsal = Rehearsal.prepare(settings)
    assert plant_in_vye(rehearsal) > 30
    rehearsal.outage = Refusing(Context(settings).objects)
    rehearsal.pipeline.__dict__["objects"] = rehearsal.outage
    rehearsal.refuse(SECOND)
    now = at(FIRST, minutes=1)
    with Session(settings, rehearsal.pipeline, Clock(lambda: now)) as session:
        rehearsal.dawn()
        session.egress(FIRST, ALL)
        answer(rehearsal)
        now = at(FIRST, hours=2)
        session.reconcile(FIRST, ALL)
        rehearsal.dawn()
        now = at(SECOND, hours=2)
        session.egress(SECOND, ALL)
        session.reconcile(SECOND, ALL)
    with rehearsal.pipeline.ledger.transaction() as connection:
        connection.execute(
            update(REASON_CODES).values(
                meaning=f"{MEANING} {HOSTILE}", suggested_action=f"@{HOSTILE}"
            )
        )
    return rehearsal


def answer(rehearsal: Rehearsal) -> None:
    """Lets BDN reject lines: with reasons, with an unknown one, with one that can't be printed."""
    store = rehearsal.outage
    answer_partition(store, FIRST, Faults(reject=9), received_at=at(FIRST, hours=1))
    for kind, code in {DIRECT_DEPOSIT_CHANGES: rb"\1<!c>", ADDRESS_CHANGES: b"\\1\x1b[2J"}.items():
        key = acknowledgement_key(kind, FIRST)
        store.put(key, re.sub(rb"(?m)^(D.{9}R).{4}", code, store.get(key)))
    prefix = inbound_prefix(FIRST)
    store.put(prefix + FEED_NAME, HOSTILE.encode())
    name = f"notes {PRINTABLE.replace('/', '')}"
    folder = rehearsal.pipeline.settings.folder / "objects"
    (folder / prefix / name).write_bytes(b"nothing of ours")  # no key that the pipeline would put


def plant_in_vye(rehearsal: Rehearsal) -> int:
    """Writes the hostile text into one row of each column of text; returns how many these are."""
    planted = 0
    with rehearsal.pipeline.vye.engine().begin() as connection:
        for table in Base.metadata.sorted_tables:
            (key,) = table.primary_key
            ids = list(connection.scalars(select(key).order_by(key).limit(40)))
            for column, row_id in zip(texts_of(table), ids, strict=False):
                planted += connection.execute(
                    update(table)
                    .where(key == row_id)
                    .values({column: f"{HOSTILE} {PERSONAL} {column}"})
                ).rowcount
    return planted


def texts_of(table: Table) -> list[str]:
    """Returns the names of the columns that hold text, but for a key."""
    return [
        column.name
        for column in table.columns
        if isinstance(column.type, String) and not column.primary_key
    ]


def commands_on(profile: str, folder: Path) -> list[list[str]]:
    """Returns what people type: all that shows something, and all that keeps a text of theirs."""
    note = f"{NOTE} {PRINTABLE}"
    of_first, of_second = [str(FIRST), "--kind", ALL[0]], [str(SECOND), "--kind", ALL[0]]
    return [
        ["status"],
        ["status", "--verify"],
        ["affected"],
        ["doctor"],
        ["preview", str(SECOND)],
        ["egress", str(SECOND), "--dry-run"],
        ["hold", profile, "--reason", note],
        ["release", profile, "--reason", note],
        ["hand-over", *of_second, "--to", str(folder)],
        ["hand-over", *of_second, "--withdraw", note],
        ["redeliver", *of_first, "--reason", note],
        ["redeliver", *of_first, "--reason", HOSTILE],
        ["resolve", profile, "--date", str(FIRST), "--note", note],
        ["recover"],
        ["recover", "--disown", f"outbound/{HOSTILE}", note],
        ["reconcile", str(FIRST)],
        ["explain", str(FIRST)],
        ["explain", str(SECOND)],
        ["explain", HOSTILE],
        [HOSTILE],
    ]


def worklist(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert commands.run(["affected", "--json"]) == commands.SUCCESS
    printed = capsys.readouterr().out
    assert not unseen(printed)
    items: list[dict[str, Any]] = json.loads(printed)
    return items


def test_people_are_shown_it_harmless_or_not_at_all(
    world: Rehearsal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    items = worklist(capsys)
    by_mail = next(one for one in items if "email holds" in one["reason"])
    with monkeypatch.context() as patching:
        patching.setattr(sys.stdout, "isatty", lambda: True)  # nowhere else is a contact shown
        commands.run(["affected", "--contact", str(by_mail["user_profile_id"]), "--reason", NOTE])
    contact = capsys.readouterr().out
    assert PERSONAL in contact
    assert not unseen(contact)

    rejected = next(str(one["user_profile_id"]) for one in items if one["status"] == "rejected")
    printed = []
    for command in commands_on(rejected, tmp_path / "handed over"):
        assert commands.run(command) in {commands.SUCCESS, commands.FAILED, commands.BAD_USAGE}
        printed.append("".join(capsys.readouterr()))
        assert not unseen(printed[-1]), command
    together = "".join("".join(printed).split())
    assert PERSONAL not in together
    assert {mark for mark in SHOWN if mark not in together} == set()


def test_files_for_others_hold_no_formula_and_no_markup(
    world: Rehearsal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = worklist(capsys)[0]
    page, table, book = (tmp_path / name for name in ("page.html", "a.csv", "a.xlsx"))
    closed, note = tmp_path / "closed.csv", f"{PRINTABLE} {NOTE}"
    for command in (
        ["affected", "--csv", str(table), "--xlsx", str(book)],
        ["report", "--out", str(page)],
        [
            "resolve",
            str(one["user_profile_id"]),
            "--date",
            one["partition_date"],
            "--note",
            note,
        ],
        ["export", "resolutions", "--out", str(closed)],
    ):
        assert commands.run(command) == commands.SUCCESS, command
    for file in (table, closed):
        with file.open(encoding="utf-8", newline="") as lines:
            cells = [cell for row in csv.reader(lines) for cell in row]
        assert any("evil.example" in cell for cell in cells), file
        assert not [cell for cell in cells if cell.startswith(FORMULAS) or unseen(cell)]
        assert not [cell for cell in cells if PERSONAL in cell]
    sheet = ZipFile(book).read("xl/worksheets/sheet1.xml")
    assert b"<c " in sheet
    assert b"<f>" not in sheet
    assert b"<hyperlink" not in sheet
    shown = page.read_text(encoding="utf-8")
    assert CODE in shown
    assert PERSONAL not in shown
    assert "<script>alert(1)" not in shown
    assert not unseen(HOSTILE) & set(shown)  # the page has soft hyphens of its own


def test_slack_and_dagster_show_it_harmless_or_not_at_all(world: Rehearsal) -> None:
    now = at(SECOND, hours=5)
    with SlackListener() as listener, open_instance(world.pipeline.settings) as instance:
        notifier = SlackNotifier("xoxb-none", "#vye-alerts", listener.url)
        Daemon(world.pipeline, instance, now, notifier).sensor("watch", now)
        heard = listener.heard()
        events = [
            str(event) for run in instance.get_runs() for event in instance.all_logs(run.run_id)
        ]
    assert any(CODE in text for text in heard)
    assert not [text for text in heard if unseen(text) or set(text) & {"<", ">"}]
    assert any(CODE in text for text in events)
    assert not [text for text in (*heard, *events) if PERSONAL in text or unseen(text)]
