"""A ledger of any earlier revision is brought to the newest, with all that is in it."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    insert,
    select,
    text,
    types,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from vye_pipeline.cli.doctor import examine
from vye_pipeline.cli.health import Health
from vye_pipeline.context import Context
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.ledger.models import METADATA
from vye_pipeline.ledger.schema import MIGRATIONS, REVISION, upgrade
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database
from vye_pipeline.storage.snapshots import SnapshotStore, open_snapshots
from vye_pipeline_tests.integration.servers import PostgreSQL

pytestmark = pytest.mark.long

Rows = dict[str, list[dict[str, Any]]]

CONFIG = Config()
CONFIG.set_main_option("script_location", str(MIGRATIONS))
REVISIONS = sorted(
    script.revision for script in ScriptDirectory.from_config(CONFIG).walk_revisions()
)
CHOSEN = {
    "disposition": "line",
    "step": "confirmed",
    "way": "put",
    "status": "acknowledged",
    "cause": "upload",
    "revision": 2,
    "outcome": "unknown",
    "decision": "disowned",
    "evidence": "confirmed_by_feed",
    "ignored_because": "early",
}
# What PostgreSQL finds by ranges of blocks.
BY_BLOCKS = {"claims_by_partition", "reconciliations_by_partition"}
DROPPED = {"reconciliations": {"id"}}
REWRITTEN = {"sha256", "fingerprint"}  # a test of its own looks at them
MOMENT = datetime(2025, 4, 1, 9, 45, tzinfo=UTC)
# Table, columns, whether it is unique, whether it has only some of the rows.
INDEXES = {
    "claims_by_partition": ("claims", ["partition_date", "kind"], False, False),
    "claims_by_profile": ("claims", ["user_profile_id"], False, False),
    "failures_by_partition": ("failures", ["partition_date", "kind"], False, False),
    "owners_by_partition": ("owners", ["partition_date", "kind"], False, False),
    "reconciliations_by_partition": ("reconciliations", ["partition_date", "kind"], False, False),
    "reconciliations_first_lines": ("reconciliations", ["partition_date", "kind"], False, True),
    "reconciliations_by_record": ("reconciliations", ["kind", "record_id"], True, True),
    "reconciliations_open": ("reconciliations", ["partition_date", "kind"], False, True),
    "resolutions_by_partition": ("resolutions", ["partition_date", "kind"], False, False),
    "tries_by_partition": ("tries", ["partition_date", "kind"], False, False),
    "accepted_gaps_by_partition": ("accepted_gaps", ["partition_date", "kind"], False, False),
    "hand_overs_by_partition": ("hand_overs", ["partition_date", "kind"], False, False),
    "holds_by_profile": ("holds", ["kind", "user_profile_id"], False, False),
}


def value(column: Column[Any]) -> Any:
    """Returns something that a column takes."""
    if isinstance(column.type, types.String):
        return CHOSEN.get(column.name, column.name)
    if isinstance(column.type, types.Boolean):
        return False
    if isinstance(column.type, types.Date):
        return date(2025, 4, 1)
    if isinstance(column.type, types.DateTime):
        return MOMENT
    return CHOSEN.get(column.name, 1)


def reflected(connection: Connection) -> list[Table]:
    """Returns the ledger's tables as they are in the database, those referred to first."""
    tables = MetaData()
    tables.reflect(connection)
    return [tables.tables[one.name] for one in METADATA.sorted_tables if one.name in tables]


def insert_row(connection: Connection, table: Table, **chosen: object) -> None:
    """Inserts a row with some values chosen and the others as fill() makes them."""
    connection.execute(insert(table), {one.name: value(one) for one in table.columns} | chosen)


def rank(table: Table) -> int:
    """A receipt freezes what belongs to it, so it comes late; what refers to it comes after."""
    return {"deliveries": 1, "redeliveries": 2, "expiries": 2}.get(table.name, 0)


def differences(connection: Connection) -> list[tuple[Any, ...]]:
    """Returns what the models have and the tables lack, or the other way round, but indexes."""
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": False,
            "include_object": lambda _object, _name, what, *_: what != "index",
        },
    )
    found = compare_metadata(context, METADATA)
    if connection.dialect.name == "sqlite":
        return found
    return [(what, key) for what, key in found if (what, key.parent.name) != ("add_fk", "claims")]


def indexes(connection: Connection) -> dict[str | None, tuple[str, list[str], bool, bool]]:
    """Returns the indexes of all tables, as INDEXES has them."""
    where = f"{connection.dialect.name}_where"
    return {
        index.name: (
            table.name,
            [column.name for column in index.columns],
            index.unique,
            index.dialect_kwargs.get(where) is not None,
        )
        for table in reflected(connection)
        for index in table.indexes
    }


def by_blocks(connection: Connection) -> set[str | None]:
    """Returns the indexes that note what ranges of blocks hold."""
    return {
        index.name
        for table in reflected(connection)
        for index in table.indexes
        if index.dialect_kwargs.get("postgresql_using") == "brin"
    }


def fill(connection: Connection) -> None:
    """Writes a row into every table that a migration hasn't filled, and more reconciliations."""
    for table in sorted(reflected(connection), key=rank):
        if table.name != "reason_codes":
            row = {one.name: value(one) for one in table.columns}
            connection.execute(insert(table), row)
        if table.name == "reconciliations":
            unexpected: dict[str, Any] = {"record_id": None, "status": "unexpected"}
            for number, changed in enumerate(({"record_id": 2}, unexpected, unexpected), start=2):
                connection.execute(insert(table), {**row, **changed, "id": number})


def contents(connection: Connection) -> Rows:
    """Returns the rows of every table."""
    return {
        table.name: [dict(row._mapping) for row in connection.execute(select(table))]
        for table in reflected(connection)
    }


@pytest.mark.parametrize("earlier", REVISIONS)
def test_a_ledger_of_any_revision_keeps_its_rows_and_becomes_the_newest(
    settings: Settings, earlier: str
) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    database = Database("the ledger", "VYE_LEDGER_URL", settings.ledger_database_url, Cause.DEFECT)
    engine = database.engine()
    opened = partial(open_snapshots, settings)
    upgrade(engine, opened, earlier)
    with engine.begin() as connection:
        fill(connection)
        before = contents(connection)
    assert all(before.values())
    with Context(settings).ledger.transaction() as connection:
        after = contents(connection)
        assert differences(connection) == []
        assert indexes(connection) == INDEXES
        is_server = connection.dialect.name == "postgresql"
        assert by_blocks(connection) == (BY_BLOCKS if is_server else set())
    for table, rows in before.items():
        kept = set(rows[0]) - DROPPED.get(table, set()) - REWRITTEN
        assert [{name: row[name] for name in kept} for row in after[table]] == [
            {name: row[name] for name in kept} for row in rows
        ]
    engine.dispose()


def test_a_file_of_which_a_line_was_overtaken_earlier_is_taken_back_and_numbered_anew(
    settings: Settings,
) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    database = Database("the ledger", "VYE_LEDGER_URL", settings.ledger_database_url, Cause.DEFECT)
    engine = database.engine()
    opened = partial(open_snapshots, settings)
    upgrade(engine, opened, "0011")
    with engine.begin() as connection:
        tables = {table.name: table for table in reflected(connection)}
        for kind, lines in (("overtaken", 3), ("sent with gaps", 2), ("sent", 3), ("whole", 3)):
            add = partial(insert_row, connection, kind=kind)
            add(tables["files"], object_key=kind, line_count=lines, sha256="rendered")
            for number in (1, 2, 3):
                add(tables["claims"], record_id=number, user_info_id=number, line_number=number)
        claims = tables["claims"].c
        connection.execute(
            update(tables["claims"])
            .where(claims.kind != "whole", claims.line_number == 2)
            .values(disposition="superseded", line_number=None)
        )
        add = partial(insert_row, connection, tables["deliveries"])
        add(kind="sent with gaps", object_key="gaps", line_count=2)
        add(kind="sent", line_count=3)
    upgrade(engine, opened)
    with engine.begin() as connection:
        query = "SELECT fingerprint, line_count FROM files ORDER BY kind"
        files = [tuple(row) for row in connection.exec_driver_sql(query)]
        query = "SELECT line_number FROM claims ORDER BY kind, record_id"
        numbers = connection.exec_driver_sql(query).scalars().all()
    rendered = opened().fingerprint_of_digest("rendered")
    assert files == [(None, None), (rendered, 3), (rendered, 2), (rendered, 3)]
    assert numbers == [1, None, 2, 1, None, 3, 1, None, 2, 1, 2, 3]
    for change in (
        "is_vanished = true WHERE kind = 'sent'",
        "kind = 'sent', record_id = 9 WHERE kind = 'whole' AND record_id = 1",
    ):
        with pytest.raises(DBAPIError, match="delivered, therefore frozen"):
            with engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE claims SET {change}")
    engine.dispose()


def test_a_ledger_with_plain_digests_and_its_snapshots_know_fingerprints_afterwards(
    settings: Settings, postgresql: PostgreSQL
) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    database = Database("the ledger", "VYE_LEDGER_URL", settings.ledger_database_url, Cause.DEFECT)
    engine, opened = database.engine(), partial(open_snapshots, settings)
    content, digest = b"900123456", hashlib.sha256(b"900123456").hexdigest()
    old = f"2025-04-01/verifications/upload_file-{digest}"
    opened().put(old, content)
    upgrade(engine, opened, "0015")
    with engine.begin() as connection:
        for table in sorted(reflected(connection), key=rank):
            if {"sha256", "fingerprint"} & set(table.c.keys()):
                named = {"sha256": digest, "fingerprint": digest, "snapshot_name": old}
                chosen = {name: one for name, one in named.items() if name in table.c}
                insert_row(connection, table, **chosen)
        failures = next(one for one in reflected(connection) if one.name == "failures")
        insert_row(connection, failures, what=f"SHA-256 {digest} lies there, {digest} was put")
    assert files_with(digest, engine, postgresql)
    upgrade(engine, opened)
    assert files_with(digest, engine, postgresql) == []
    fingerprint = opened().fingerprint(content)
    new = f"2025-04-01/verifications/upload_file.{fingerprint}"
    with engine.begin() as connection:
        everything = repr(contents(connection))
        (what,) = connection.scalars(select(failures.c.what))
    assert digest not in everything
    assert what == f"fingerprint {fingerprint} lies there, {fingerprint} was put"
    assert repr(new) in everything
    assert opened().get(new) == content
    assert [name for name in opened().names("") if digest in name] == []
    with pytest.raises(DBAPIError, match="delivered, therefore frozen"):
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE files SET line_count = 9")
    engine.dispose()


def files_with(text: str, engine: Engine, server: PostgreSQL) -> list[str]:
    """Returns the names of the database's files that hold a text, once all is written there."""
    if engine.dialect.name == "sqlite":
        engine.dispose()  # the last to leave empties the write-ahead log
        folder = Path(str(engine.url.database)).parent
    else:
        with engine.connect() as connection:
            of_this = "SELECT oid FROM pg_database WHERE datname = current_database()"
            oid = connection.exec_driver_sql(of_this).scalar_one()
        folder = server.folder / "data" / "base" / str(oid)
    server.administer("CHECKPOINT")
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_fingerprints_are_made_again_after_an_interruption_at_any_point(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.folder.mkdir(parents=True)
    url = embedded.ledger_database_url
    engine = Database("the ledger", "VYE_LEDGER_URL", url, Cause.DEFECT).engine()
    opened = partial(open_snapshots, embedded)
    names = [f"2025-04-01/feed-{number:064x}" for number in range(3)]
    for name in names:
        opened().put(name, name.encode())
    upgrade(engine, opened, "0015")
    with engine.begin() as connection:
        feeds = next(one for one in reflected(connection) if one.name == "feeds")
        for number, name in enumerate(names):
            insert_row(connection, feeds, sha256=f"{number:064x}", snapshot_name=name)
    for verb, calls in (("put", 1), ("put", 2), ("delete", 1), ("delete", 3)):
        left = iter(range(calls))
        through = getattr(SnapshotStore, verb)

        def interrupted(*arguments: Any, left: Any = left, through: Any = through) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            through(*arguments)

        with monkeypatch.context() as patching:
            patching.setattr(SnapshotStore, verb, interrupted)
            if (verb, calls) != ("delete", 3):
                with pytest.raises(KeyboardInterrupt):
                    upgrade(engine, opened)
            else:
                upgrade(engine, opened)
    with engine.begin() as connection:
        kept = connection.exec_driver_sql("SELECT snapshot_name FROM feeds ORDER BY 1").scalars()
        assert sorted(opened().get(name).decode() for name in kept) == names
    assert len(opened().names("2025")) == len(names)
    engine.dispose()


def test_the_newest_revision_is_the_one_that_this_version_expects() -> None:
    assert REVISIONS[-1] == REVISION


def test_no_claim_is_without_its_file_and_no_file_leaves_its_claims(settings: Settings) -> None:
    ledger = Context(settings).ledger
    with ledger.transaction() as connection:
        for table in reflected(connection):
            if table.name in {"files", "claims"}:
                connection.execute(insert(table), {one.name: value(one) for one in table.columns})
    for change in (
        "INSERT INTO claims SELECT 'other', record_id, partition_date, user_info_id,"
        " user_profile_id, bdn_clone_id, created_at, transact_date, disposition, line_number,"
        " is_vanished FROM claims",
        "UPDATE claims SET kind = 'other'",
        "UPDATE files SET kind = 'other'",
        "DELETE FROM files",
    ):
        with pytest.raises(IntegrityError), ledger.engine.begin() as connection:
            connection.exec_driver_sql(change)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE files SET fingerprint = 'other'")
        connection.exec_driver_sql("DELETE FROM claims")
        connection.exec_driver_sql("DELETE FROM files")


def test_a_ledger_of_a_newer_version_is_refused_with_both_revisions(settings: Settings) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    with Context(settings).ledger.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
    with pytest.raises(PipelineError, match=f"revision 9000, .* which knows {REVISION}"):
        Context(settings).ledger  # noqa: B018 - it is opened when it is first asked for
    finding = next(one for one in examine(settings, MOMENT) if one.subject == "ledger")
    assert finding.health == Health.BAD
    assert "9000" in finding.words
    assert REVISION in finding.words
