"""Dagster as it is deployed: code server, daemon and webserver, each a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import Request, urlopen

import dagster as dg
import yaml
from dagster._core.storage.tags import PARTITION_NAME_TAG
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from vye_pipeline.orchestration.instance import dagster_home, open_instance
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.servers import free_port
from vye_pipeline_tests.variables import variables

Found = TypeVar("Found")
LOCATION = "vye_pipeline"
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
READY = {
    "code": "Started Dagster code server",
    "daemon": "Instance is configured with the following daemons",
    "webserver": "Serving dagster-webserver",
}
PATIENCE_SECONDS = 240


def eventually(look: Callable[[], Found]) -> Found:
    """Looks until there is something, and returns it."""
    found: Found = retry(
        retry=retry_if_result(lambda result: not result),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.3),
    )(look)()
    return found


class Deployment:
    """Processes on a Dagster home of their own, with the configuration of the checkout."""

    def __init__(self, settings: Settings) -> None:
        """Prepares the home; nothing is started yet."""
        with open_instance(settings):
            pass  # two processes that make its storage at once would break it
        self.settings = settings
        self.home = dagster_home(settings)
        self._socket = self.home / "code.sock"
        self._port = free_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        server = {"socket": str(self._socket), "location_name": LOCATION}
        self.workspace = self.home / "workspace.yaml"
        self.workspace.write_text(
            yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8"
        )

    def start(self, *names: str) -> None:
        """Starts programs, and waits until all are ready."""
        workspace = ["--workspace", str(self.workspace)]
        commands = {
            "code": [
                *("dagster", "api", "grpc", "--module-name", "vye_pipeline.definitions"),
                *("--socket", str(self._socket), "--location-name", LOCATION),
            ],
            "daemon": ["dagster-daemon", "run", *workspace],
            "webserver": [
                *("dagster-webserver", *workspace, "--host", "127.0.0.1"),
                *("--port", str(self._port), "--log-level", "info"),
            ],
        }
        for name in names:
            program, *arguments = commands[name]
            with self._log(name).open("wb") as log:
                self._running[name] = subprocess.Popen(
                    [Path(sys.executable).with_name(program), *arguments],
                    stdout=log, stderr=subprocess.STDOUT, env=self._environment(), umask=0o077,
                )  # fmt: skip
        for name in names:
            eventually(partial(self._is_ready, name))

    def kill(self, *names: str) -> None:
        """Ends programs at once; runs that the code server has started go on."""
        for name in names:
            self._running[name].kill()
            self._running.pop(name).wait()
            if name == "code":
                self._socket.unlink()  # nobody has told the next one that nobody listens there

    def stop(self) -> None:
        """Ends all that was started, runs too."""
        self.kill(*self._running)
        with open_instance(self.settings) as instance:
            for run in instance.get_runs():
                for process in processes(instance, run.run_id):
                    kill_process(process)
        shutil.rmtree(self.home)

    def ask(self, query: str, **variables: Any) -> Any:
        """Asks the webserver, as the UI does, and returns its answer."""
        request = Request(
            f"http://127.0.0.1:{self._port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            told = json.load(answer)
        assert "errors" not in told, told
        return told["data"]

    def _environment(self) -> dict[str, str]:
        own = {"DAGSTER_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **variables(self.settings), **own}

    def _log(self, name: str) -> Path:
        return self.settings.folder / f"{name}.log"

    def _is_ready(self, name: str) -> bool:
        said = self._log(name).read_text(encoding="utf-8")
        assert self._running[name].poll() is None, said[-2000:]
        return READY[name] in said and self._socket.exists()


@contextmanager
def deployed(settings: Settings, *names: str) -> Iterator[tuple[Deployment, dg.DagsterInstance]]:
    """Runs a deployment with some of its programs, and opens its instance."""
    deployment = Deployment(settings)
    try:
        deployment.start("code")
        deployment.start(*names)
        with open_instance(settings) as instance:
            yield deployment, instance
    finally:
        deployment.stop()


def processes(instance: dg.DagsterInstance, run_id: str) -> list[int]:
    """Returns the process that a run was started in, once it has been."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    events = [record.event_log_entry.dagster_event for record in records.records]
    return [
        int(str(event.engine_event_data.metadata["pid"].value))
        for event in events
        if event is not None and "pid" in event.engine_event_data.metadata
    ]


def kill_process(process: int) -> None:
    """Ends a run's process at once, if it is still there."""
    command = Path(f"/proc/{process}/cmdline")
    if command.exists() and b"multiprocessing" in command.read_bytes():
        os.kill(process, signal.SIGKILL)


def runs_of(instance: dg.DagsterInstance, day: date) -> list[dg.DagsterRun]:
    """Returns a day's runs, oldest first."""
    wanted = dg.RunsFilter(tags={PARTITION_NAME_TAG: day.isoformat()})
    return list(instance.get_runs(wanted, ascending=True))
