"""Worlds to try things in, and the rows of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from vye_pipeline_tests.integration.conftest import network, postgresql, s3_bucket, s3_endpoint
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.reliability.page import PAGE, Row
from vye_pipeline_tests.reliability.worlds import (
    EncryptedWorlds,
    PostgreSQLWorlds,
    SQLiteWorlds,
    Worlds,
)

__all__ = ["network", "postgresql", "s3_bucket", "s3_endpoint"]


@pytest.fixture(scope="session")
def sqlite_worlds(tmp_path_factory: pytest.TempPathFactory) -> SQLiteWorlds:
    """Copies of a prepared pipeline on SQLite."""
    return SQLiteWorlds(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_worlds(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> PostgreSQLWorlds:
    """Copies of a prepared pipeline on PostgreSQL."""
    return PostgreSQLWorlds(tmp_path_factory.mktemp("postgresql"), postgresql)


@pytest.fixture(scope="session")
def encrypted_worlds(tmp_path_factory: pytest.TempPathFactory) -> EncryptedWorlds:
    """Copies of a prepared pipeline on SQLite, in production's shape."""
    return EncryptedWorlds(tmp_path_factory.mktemp("encrypted"))


@pytest.fixture(params=["sqlite", "encrypted", "postgresql"])
def worlds(request: pytest.FixtureRequest) -> Worlds:
    """All, one after the other."""
    copies: Worlds = request.getfixturevalue(f"{request.param}_worlds")
    return copies


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> Iterator[list[Row]]:
    """Rows of docs/reliability.md; a test appends its own."""
    gathered: list[Row] = []
    yield gathered
    PAGE.hand_in(pytestconfig, [asdict(row) for row in gathered])
