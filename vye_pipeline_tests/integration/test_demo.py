"""The demo as its user sees it, and what it leaves behind: personal data where it may be only."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from vye_pipeline.cli.commands import BAD_USAGE, run
from vye_pipeline.orchestration.instance import open_instance
from vye_pipeline.orchestration.partitions import business_day_partitions
from vye_pipeline.settings import load_settings
from vye_pipeline.simulation.sample import SAMPLE_FOLDER, STREETS
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID

pytestmark = pytest.mark.long

VERIFICATIONS, REASON = ("--kind", "verifications"), ("--reason", "BDN lost it")
MAY_HOLD = {"vye.db", "vye.db-wal", "vye.db-shm", "objects", "snapshots"}


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Demo:
    """A demo that has run in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Runs it, as its user would."""
        self.folder = folder
        self.result = self.vye("demo", *options)

    def vye(self, *arguments: str) -> Result:
        """Runs a command on the demo's pipeline."""
        printed, complained = StringIO(), StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(printed),
            redirect_stderr(complained),
        ):
            patch.setenv("VYE_LOCAL_DIR", str(self.folder))
            code = run(arguments)
        return Result(code, printed.getvalue(), complained.getvalue())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo") / "local")


def column(table: str, name: str) -> set[bytes]:
    with (SAMPLE_FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return {row[name].encode() for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def numbers() -> set[bytes]:
    """SSNs, as they are and as BDN writes them, and account numbers."""
    ssns = column("mpi_identities", "ssn")
    accounts = {one for one in column("vye_direct_deposit_changes", "acct_no") if one.isdigit()}
    return ssns | {ssn[7:] + ssn[:7] for ssn in ssns} | accounts


def has_personal_data(content: bytes, numbers: set[bytes]) -> bool:
    digits = b" ".join(re.findall(rb"[0-9]{9,}", content))
    words = [street.encode() for street in STREETS] + [b"@example.com"]
    return any(word in content for word in words) or any(number in digits for number in numbers)


def test_the_demo_repairs_what_failed_and_sends_nothing_twice(demo: Demo) -> None:
    assert demo.result.returncode == 0, demo.result.stderr
    assert "26 of the 26 files sent before are unchanged, 4 were added" in demo.result.stdout
    assert "Traceback" not in demo.result.stdout + demo.result.stderr


def test_in_productions_shape_the_demo_sends_the_same_files(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VYE_COLUMN_KMS_KEY_ID", INSECURE_KEY_ID)
    monkeypatch.setenv("VYE_IDENTITY_URL", f"sqlite:///{tmp_path / 'identities.db'}")
    encrypted = Demo(tmp_path / "local")
    assert encrypted.result.returncode == 0, encrypted.result.stderr
    assert sent_by(encrypted) == sent_by(demo)
    assert len(sent_by(demo)) == 30


def test_one_can_stop_where_the_days_have_failed(demo: Demo, tmp_path: Path) -> None:
    stopped = Demo(tmp_path / "local", "--until-repair")
    assert stopped.result.returncode == 0, stopped.result.stderr
    rows = json.loads(stopped.vye("status", "--json", "--to", "2025-04-14").stdout)
    assert {row["partition_date"] for row in rows if row["delivery"] == "failed"} == {
        "2025-04-03",
        "2025-04-08",
    }
    assert stopped.vye("backfill", "--failed").returncode == 0
    assert sent_by(stopped) == sent_by(demo)


def sent_by(demo: Demo) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in demo.folder.rglob("objects/outbound/*/*")}


def test_every_status_but_the_rarest_shows_in_the_calendar(demo: Demo) -> None:
    rows = json.loads(demo.vye("status", "--json", "--to", "2025-04-14").stdout)
    assert len(rows) == 30
    assert {row["delivery"] for row in rows} == {"delivered"}
    assert all(row["settled"] for row in rows)
    seen = {
        status
        for status in (
            "quarantined",
            "superseded",
            "acknowledged",
            "mismatched",
            "rejected",
            "missing",
        )
        if any(row[status] for row in rows)
    }
    assert seen == {
        "quarantined",
        "superseded",
        "acknowledged",
        "mismatched",
        "rejected",
        "missing",
    }


def test_the_affected_are_named_with_reason_and_next_step(demo: Demo) -> None:
    items = json.loads(demo.vye("affected", "--json").stdout)
    assert items
    assert all(item["reason"] and item["next_step"] for item in items)
    assert {item["status"] for item in items} == {
        "quarantined",
        "mismatched",
        "rejected",
        "missing",
    }


def test_personal_data_is_nowhere_else(demo: Demo, numbers: set[bytes]) -> None:
    assert len(numbers) > 800
    sent = b"".join(path.read_bytes() for path in (demo.folder / "objects").rglob("vawave*"))
    assert has_personal_data(sent, numbers), "the search finds what is there"
    for path in sorted(demo.folder.rglob("*")):
        top = path.relative_to(demo.folder).parts[0]
        if path.is_file() and top not in MAY_HOLD:
            assert not has_personal_data(path.read_bytes(), numbers), path
    assert not has_personal_data((demo.result.stdout + demo.result.stderr).encode(), numbers)


def test_snapshots_are_not_readable(demo: Demo, numbers: set[bytes]) -> None:
    snapshots = [path for path in (demo.folder / "snapshots").rglob("*") if path.is_file()]
    assert snapshots
    assert not any(has_personal_data(path.read_bytes(), numbers) for path in snapshots)


def test_dagsters_history_has_the_failures_and_the_repair(demo: Demo) -> None:
    settings = load_settings(local_dir=demo.folder)
    with open_instance(settings) as instance:
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        days = {run.tags["dagster/partition"] for run in failed if run.job_name == "egress"}
        assert days == {"2025-04-03", "2025-04-08"}
        partitions = business_day_partitions(settings)
        status = instance.get_status_by_partition(
            dg.AssetKey(["verifications", "delivery"]), ["2025-04-03"], partitions
        )
        assert status is not None
        assert status["2025-04-03"] is AssetPartitionStatus.MATERIALIZED


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("egress", "2025-04-05"), 2, "2025-04-05 is no business day: it is a Saturday"),
        (("egress", "2025-07-04"), 2, "2025-07-04 is no business day: it is Independence Day"),
        (("egress", "2024-04-01"), 2, "is outside the partitions"),
        (("egress", "yesterday"), 2, "write YYYY-MM-DD"),
        (("egress", "2025-04-01", "--kind", "letters"), 2, "'letters' is not a kind"),
        (("status", "--colour"), 2, "No such option"),
        (("database", "import", "nowhere"), 2, "nowhere is no folder"),
        (("simulate", "answer", "2025-05-01"), 2, "nothing was delivered for 2025-05-01"),
        (("redeliver", "2025-05-01", *VERIFICATIONS, *REASON), 2, "vye egress 2025-05-01"),
        (("redeliver", "2025-04-01", *REASON), 2, "Missing option '--kind'"),
        (("redeliver", "2025-04-01", *VERIFICATIONS, "--reason", " "), 2, "the text is empty"),
        (
            ("redeliver", "2025-04-01", *VERIFICATIONS, "--reason", "SSN 900-12-3456"),
            2,
            "the text holds what looks like an SSN",
        ),
        (
            ("resolve", "7", "--date", "2025-05-01", "--note", "none"),
            2,
            "nothing of user profile 7",
        ),
        (("status", "--verify", "--as-of", "2025-05-01"), 2, "leave --as-of away"),
        (("egress", "2025-05-01"), 1, "VYE's import or activation did not run"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    demo: Demo, arguments: tuple[str, ...], code: int, text: str
) -> None:
    result = demo.vye(*arguments)
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) in {1, 3}


def test_a_delivered_day_runs_again_without_another_put(demo: Demo) -> None:
    before = {path: path.stat().st_mtime_ns for path in (demo.folder / "objects").rglob("*")}
    assert demo.vye("egress", "2025-04-01").returncode == 0
    assert {
        path: path.stat().st_mtime_ns for path in (demo.folder / "objects").rglob("*")
    } == before


def test_a_file_that_bdn_asks_for_goes_out_again_and_all_is_verified(demo: Demo) -> None:
    again = demo.vye("redeliver", "2025-04-01", *VERIFICATIONS, *REASON)
    assert (again.returncode, again.stdout) == (
        0,
        "2025-04-01: delivered again as outbound/2025-04-01/vawave091.r2\n",
    )
    verified = demo.vye("status", "--verify")
    assert (verified.returncode, verified.stdout) == (0, "31 of 31 objects are as they were sent\n")
    (demo.folder / "objects/outbound/2025-04-01/vawave091.r2").unlink()
    missing = demo.vye("status", "--verify")
    assert missing.returncode == 1
    assert "2025-04-01 verifications: outbound/2025-04-01/vawave091.r2 is missing" in missing.stdout
    states = [one["state"] for one in json.loads(demo.vye("status", "--verify", "--json").stdout)]
    assert sorted(states) == ["intact"] * 30 + ["missing"]


def test_what_a_person_resolved_leaves_the_list_and_keeps_its_date(demo: Demo) -> None:
    listed = json.loads(demo.vye("affected", "--json").stdout)
    item = next(one for one in listed if one["needs_manual_reconciliation"])
    profile, day = str(item["user_profile_id"]), item["partition_date"]
    result = demo.vye("resolve", profile, "--date", day, "--note", "BDN entered it by hand")
    assert result.returncode == 0
    assert f"of user profile {profile} resolved" in result.stdout
    resolved = {
        one["record_id"]
        for one in json.loads(demo.vye("affected", "--date", day, "--json").stdout)
        if one["resolved_at"]
    }
    assert item["record_id"] in resolved


def test_an_unreachable_database_is_one_line(tmp_path: Path) -> None:
    empty = Demo.__new__(Demo)
    empty.folder = tmp_path / "empty"
    result = empty.vye("egress", "2025-04-01", "--kind", "verifications")
    assert result.returncode == 1
    assert "VYE's database: can't be opened" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_process_ends_with_the_exit_code_of_its_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vye_pipeline", "status", "--from", "yesterday"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (BAD_USAGE, "")
    assert done.stderr.startswith("vye: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("status",), ("affected",), ("explain", "2025-04-03")])
def test_commands_that_only_read_load_nothing_heavy(demo: Demo, command: tuple[str, ...]) -> None:
    heavy = {
        *("boto3", "dagster", "numpy", "pandas", "pyarrow", "rich"),
        "sqlalchemy.dialects.postgresql",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vye_pipeline", *command],
        env=os.environ | {"VYE_LOCAL_DIR": str(demo.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "vye_pipeline.cli.commands" in loaded
    assert not heavy & loaded


def test_the_definitions_load_nothing_heavy(tmp_path: Path) -> None:
    heavy = {
        *("alembic", "boto3", "botocore", "cryptography", "datadog", "jinja2", "numpy", "pandas"),
        *("pandera", "psycopg", "pyarrow", "requests", "rich", "slack_sdk", "sqlalchemy"),
    }
    program = f"import sys, vye_pipeline.definitions; print({heavy!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"VYE_LOCAL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
    assert not list(tmp_path.iterdir())
