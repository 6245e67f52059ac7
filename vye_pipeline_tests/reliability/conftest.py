"""The rows of docs/reliability.md, gathered over the run and written at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.integration.conftest import network, postgresql, s3_bucket, s3_endpoint
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.trials import Row
from vye_pipeline_tests.reliability.worlds import PostgreSQLWorlds, SQLiteWorlds, Worlds

__all__ = ["network", "postgresql", "s3_bucket", "s3_endpoint"]

PAGE = CHECKOUT / "docs" / "reliability.md"
HEAD = """# Reliability

What was done to a run, how often, and what became of the records: written by `make trials`.

| fault | trials | records lost | records sent twice |
| --- | --- | --- | --- |
"""


@pytest.fixture(scope="session")
def sqlite_worlds(tmp_path_factory: pytest.TempPathFactory) -> SQLiteWorlds:
    """Copies of a prepared world on SQLite."""
    return SQLiteWorlds(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_worlds(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> PostgreSQLWorlds:
    """Copies of a prepared world on PostgreSQL."""
    return PostgreSQLWorlds(tmp_path_factory.mktemp("postgresql"), postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    """Both, one after the other."""
    copies: Worlds = request.getfixturevalue(f"{request.param}_worlds")
    return copies


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """Rows of the page; a test appends its own."""
    gathered: list[Row] = []
    yield gathered
    lines = [f"| {row.fault} | {row.trials} | {row.lost} | {row.twice} |\n" for row in gathered]
    PAGE.write_text(HEAD + "".join(lines), encoding="utf-8")
