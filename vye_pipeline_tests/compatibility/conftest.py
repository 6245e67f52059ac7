"""Peers from the system's packages, and the rows of docs/compatibility.md."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.compatibility.page import NOT_TRIED, PAGE, Row
from vye_pipeline_tests.integration.conftest import postgresql, s3_bucket, s3_endpoint
from vye_pipeline_tests.integration.servers import (
    DEBIANS,
    PGBOUNCER,
    PgBouncer,
    PostgreSQL,
    free_port,
)

NEWER = CHECKOUT / "data" / "local" / "peers" / "newer"  # made by .ci/peers
MODES = ("session", "transaction")

__all__ = ["postgresql", "s3_bucket", "s3_endpoint"]


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[Row]]:
    """Rows of docs/compatibility.md; a test appends its own."""
    gathered: list[Row] = []
    yield gathered
    PAGE.hand_in(pytestconfig, [asdict(row) for row in gathered])


def installed(program: Path | None, peer: str, rows: list[Row]) -> Path:
    """Returns a program; without it the page says so, and the test doesn't pass (.ci/peers)."""
    if program is None or not program.exists():
        rows.append(Row(peer, "all of it", NOT_TRIED, "not installed where the trials ran"))
        pytest.xfail(f"{peer} isn't installed: see .ci/peers")
    return program


@pytest.fixture(scope="session")
def older_postgresql(rows: list[Row]) -> Iterator[PostgreSQL]:
    """A server of the system's packages, of another major version."""
    programs = installed(DEBIANS, "PostgreSQL of the system", rows)
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgreSQL(Path(folder), programs, port=free_port())
        yield server
        server.stop()


@pytest.fixture(params=["postgresql", "older_postgresql"])
def server(request: pytest.FixtureRequest) -> PostgreSQL:
    """Each of the servers."""
    chosen: PostgreSQL = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture(scope="session")
def newer_pgbouncer(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A pooler of a later release than the system's, where everybody may run it."""
    if not NEWER.is_dir():
        return None
    copy = Path(shutil.copytree(NEWER, tempfile.mkdtemp(prefix="pb"), dirs_exist_ok=True))
    copy.chmod(0o755)
    (loader,) = (copy / "usr" / "lib").glob("*/ld-linux*")
    program = copy / "pgbouncer"
    run = f"{loader} --library-path {loader.parent} {copy / 'usr' / 'sbin' / 'pgbouncer'}"
    program.write_text(f'#!/bin/sh\nexec {run} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture(scope="session", params=list(product(("system's", "newer"), MODES)), ids=" ".join)
def pooler(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    newer_pgbouncer: Path | None,
    rows: list[Row],
) -> Iterator[PgBouncer]:
    """PgBouncer in front of the server, in each mode that can hold a transaction."""
    which, mode = request.param
    found = newer_pgbouncer if which == "newer" else PGBOUNCER
    program = installed(
        found, "PgBouncer of the next release" if which == "newer" else "PgBouncer", rows
    )
    with tempfile.TemporaryDirectory(prefix="pb", ignore_cleanup_errors=True) as folder:
        running = PgBouncer(Path(folder), program, postgresql, mode)
        yield running
        running.stop()
