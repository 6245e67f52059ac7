"""The analysts' page says what the commands say, and nothing personal; lists as files, too."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.business_days import end_of_day
from vye_pipeline.cli import commands
from vye_pipeline.definitions import build_definitions
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.errors import UsageError
from vye_pipeline.orchestration.assets.page import ANALYSTS_PAGE
from vye_pipeline.orchestration.jobs import RECONCILE
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.reporting.calendar import Affected, affected, calendar
from vye_pipeline.reporting.exports import write_csv, write_reconciliation, write_xlsx
from vye_pipeline.reporting.page.publish import NAME, made_before, publish
from vye_pipeline.reporting.page.render import page
from vye_pipeline.reporting.resolutions import Resolution, read_resolutions, resolve
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline.storage.stores import open_object_store
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

FACTS = re.compile(r'<script type="application/json" id="facts">(.*?)</script>', re.DOTALL)
COLUMNS = list(Affected.__dataclass_fields__)
NOW = end_of_day(DAYS[-1])


def facts_of(content: str) -> dict[str, Any]:
    found = FACTS.search(content)
    assert found
    facts: dict[str, Any] = json.loads(found[1])
    return {name: unpacked(value) for name, value in facts.items()}


def unpacked(value: Any) -> Any:
    """Returns a list with the names of its fields in each row, as the page's script does."""
    if not (isinstance(value, dict) and set(value) == {"fields", "rows"}):
        return value
    return [dict(zip(value["fields"], row, strict=True)) for row in value["rows"]]


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """Two days: BDN rejects and loses lines of the first, an upload fails on the second."""
    prepared = Rehearsal.prepare(settings)
    for number, day in enumerate(DAYS[:2]):
        prepared.dawn()
        prepared.outage.refused = frozenset({outbound_key(VERIFICATIONS, day)} if number else ())
        prepared.egress(day)
        faults = Faults(reject=3, drop=2)
        answer_partition(prepared.outage, day, faults, received_at=at(day, hours=2))
        for kind in KINDS:
            prepared.reconcile(day, kind, end_of_day(day))
    return prepared


def open_items(rehearsal: Rehearsal) -> list[Affected]:
    with rehearsal.pipeline.ledger.transaction() as connection:
        return [one for one in affected(connection, DAYS) if one.is_open]


def test_the_page_says_what_the_commands_say(rehearsal: Rehearsal) -> None:
    facts = facts_of(page(rehearsal.pipeline, DAYS, NOW))
    with rehearsal.pipeline.ledger.transaction() as connection:
        days = calendar(connection, DAYS)
    for row, day in zip(facts["days"], days, strict=True):
        assert row | day.as_json() == row
    texts = facts["texts"]
    shown = {
        (row["profile"], row["record"], texts[row["reason"]], texts[row["step"]])
        for row in facts["items"]
    }
    assert shown == {
        (one.user_profile_id, one.record_id, one.reason, one.next_step)
        for one in open_items(rehearsal)
    }
    assert sum(row["records"] for row in facts["rejections"]) == 3 * 2
    failures = [words for _, _, words in facts["events"][str(DAYS[1])] if "failed (" in words]
    assert ["AccessDenied" in words for words in failures] == [True]


def test_the_history_of_a_profile_holds_all_of_its_submissions(rehearsal: Rehearsal) -> None:
    facts = facts_of(page(rehearsal.pipeline, DAYS, NOW))
    for item in facts["items"]:
        history = [
            [facts["texts"][day], kind, facts["texts"][status]]
            for day, kind, status, *_ in facts["profiles"][str(item["profile"])]
        ]
        assert [item["day"], item["kind"], item["status"]] in history


def test_the_next_page_counts_what_is_new(rehearsal: Rehearsal) -> None:
    days = list(DAYS)
    publish(rehearsal.pipeline, days, at(DAYS[0], hours=-1))
    publish(rehearsal.pipeline, days, NOW)
    store = open_object_store(rehearsal.pipeline.settings.report_store_url)
    changes = facts_of(store.get(NAME).decode())["changes"]
    assert changes["delivered"] == 5
    assert changes["opened"] == len(open_items(rehearsal))
    assert made_before(store) == NOW.replace(microsecond=0)


def test_nothing_personal_is_on_the_page(rehearsal: Rehearsal) -> None:
    content = json.dumps(facts_of(page(rehearsal.pipeline, DAYS, NOW)))
    for kind in KINDS:
        records = load_export_ready(rehearsal.pipeline, DAYS[0], kind).records
        for column in kind.columns:
            if column.is_sensitive:
                long = records[column.name][records[column.name].str.len() > 5]
                assert not [value for value in long if str(value) in content]


def test_hostile_text_stays_text(rehearsal: Rehearsal) -> None:
    hostile = "</script><script>alert(1)</script>"
    profile = open_items(rehearsal)[0].user_profile_id
    assert profile is not None
    wanted = [Resolution(profile, open_items(rehearsal)[0].partition_date, None, hostile)]
    resolve(rehearsal.pipeline.ledger, wanted, resolved_by="analyst", now=NOW)
    content = page(rehearsal.pipeline, DAYS, NOW)
    assert hostile not in content
    assert [row["note"] for row in facts_of(content)["closed"]] == [hostile]


def test_before_any_day_has_run_there_is_a_page(embedded: Settings) -> None:
    facts = facts_of(page(Rehearsal.prepare(embedded).pipeline, [], NOW))
    assert facts["days"] == facts["items"] == []


def test_the_command_writes_the_page_where_it_is_told(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Rehearsal.prepare(embedded)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    assert commands.run(["report"]) == commands.SUCCESS
    assert (embedded.folder / NAME).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert commands.run(["report", "--out", str(tmp_path / "page.html")]) == commands.SUCCESS
    assert (tmp_path / "page.html").exists()
    nowhere = str(tmp_path / "no" / "page.html")
    assert commands.run(["report", "--out", nowhere]) == commands.BAD_USAGE


def test_lists_come_back_from_their_files_as_they_were(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    rows = [vars(one) for one in open_items(rehearsal)]
    rows[0] = rows[0] | {"reason": "=HYPERLINK(1)"}
    write_csv(tmp_path / "list.csv", rows, COLUMNS)
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["record_id"] for row in read] == [str(row["record_id"]) for row in rows]
    assert read[0]["reason"] == "'=HYPERLINK(1)"
    write_xlsx(tmp_path / "list.xlsx", rows, COLUMNS)
    sheet = pd.read_excel(tmp_path / "list.xlsx")
    assert sheet["reason"].tolist() == [row["reason"] for row in rows]
    assert sheet["user_profile_id"].tolist() == [row["user_profile_id"] for row in rows]
    assert [day.date() for day in sheet["partition_date"]] == [
        row["partition_date"] for row in rows
    ]


def test_the_reconciliation_of_some_days_is_a_data_frame(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    path = tmp_path / "days.parquet"
    count = write_reconciliation(path, rehearsal.pipeline.ledger, DAYS[0], DAYS[1])
    frame = pd.read_parquet(path)
    with rehearsal.pipeline.ledger.transaction() as connection:
        days = calendar(connection, DAYS[:2])
    assert len(frame) == count
    expected = {(day.kind, name): n for day in days[:3] for name, n in day.counts.items() if n}
    first = frame[(frame["partition_date"] == DAYS[0]) & (frame["status"] != "replaced")]
    assert first.value_counts(["kind", "status"]).to_dict() == expected


def test_a_file_of_resolutions_closes_all_or_nothing(rehearsal: Rehearsal, tmp_path: Path) -> None:
    path, before = tmp_path / "resolve.csv", open_items(rehearsal)
    wanted = sorted({(one.user_profile_id, one.partition_date) for one in before})
    lines = [f"{profile},{day},,called BDN" for profile, day in wanted]
    head = "user_profile_id,partition_date,kind,note"
    ledger = rehearsal.pipeline.ledger
    path.write_text("\n".join([head, *lines, f"999999,{DAYS[0]},,called BDN"]), encoding="utf-8")
    with pytest.raises(UsageError, match="nothing of user profile 999999 is open"):
        resolve(ledger, read_resolutions(path), resolved_by="analyst", now=NOW)
    assert open_items(rehearsal) == before
    path.write_text("\n".join([head, *lines]), encoding="utf-8")
    resolve(ledger, read_resolutions(path), resolved_by="analyst", now=NOW)
    assert open_items(rehearsal) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("user_profile_id,note\n1,x\n", "line 1: the columns must be"),
        ("user_profile_id,partition_date,kind,note\n1,2025-04-01,,\n", "line 2: the text is empty"),
        ("user_profile_id,partition_date,kind,note\n1,yesterday,,done\n", "line 2: needs a user"),
        ("user_profile_id,partition_date,kind,note\n1,2025-04-01,cars,done\n", "line 2: needs"),
        ("user_profile_id,partition_date,kind,note\n1,2025-04-01,,call 555-123-4567\n", "line 2"),
    ],
)
def test_a_file_of_resolutions_that_cannot_be_used_is_named_by_line(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "resolve.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        read_resolutions(path)


def test_a_reconcile_run_rewrites_the_page_and_the_page_can_be_made_alone(
    embedded: Settings,
) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    definitions = build_definitions(rehearsal.pipeline, Clock(lambda: NOW.astimezone(UTC)))
    path = embedded.folder / NAME
    with dg.DagsterInstance.ephemeral() as instance:
        definitions.resolve_job_def(RECONCILE).execute_in_process(
            partition_key=str(DAYS[0]), instance=instance
        )
        days = facts_of(path.read_text(encoding="utf-8"))["days"]
        assert {one["delivery"] for one in days if one["partition_date"] == str(DAYS[0])} == {
            "delivered"
        }
        path.unlink()
        page_alone = definitions.resolve_implicit_global_asset_job_def()
        page_alone.execute_in_process(
            asset_selection=[dg.AssetKey(ANALYSTS_PAGE)], instance=instance
        )
    assert path.exists()


def test_every_day_that_is_left_out_is_counted(embedded: Settings) -> None:
    days = [date(2020, 1, 1)] * 251
    facts = facts_of(page(Rehearsal.prepare(embedded).pipeline, days, NOW))
    assert facts["left_out"]["days"] == 1
