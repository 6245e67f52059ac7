"""Every command by which a person changes something is on record, under who they really are."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, Table, inspect, select, text

from vye_pipeline.actor import actor
from vye_pipeline.cli import commands
from vye_pipeline.cli.commands import BAD_USAGE, FAILED, run
from vye_pipeline.ledger.guards import SIGNED
from vye_pipeline.ledger.models import ACCEPTED_GAPS
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.records.direct_deposit_change import DIRECT_DEPOSIT_CHANGES
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at
from vye_pipeline_tests.integration.servers import PostgreSQL
from vye_pipeline_tests.integration.test_migrations import insert_row

IN_PRODUCTIONS_SHAPE = True
FORGED = "somebody-else"
FIRST, SECOND = DAYS[:2]
OF_A_KIND = ["--kind", "verifications"]
WHY = ["--reason", "it was asked for"]
# Looks, and what is not done to the ledger: nobody has to answer for them.
READS = {
    "affected", "database", "demo", "doctor", "explain", "export", "preview", "reconcile", "report",
    "simulate", "status",
}  # fmt: skip


@pytest.fixture
def rehearsal(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """Two days, the first with rejected lines and the second failed, and a forged identity."""
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    assert prepared.egress(FIRST) == []
    answer_partition(prepared.outage, FIRST, Faults(reject=1), received_at=at(FIRST, hours=1))
    prepared.reconcile(FIRST, VERIFICATIONS, at(FIRST, hours=2))
    prepared.dawn()
    prepared.refuse(SECOND)
    assert prepared.egress(SECOND)
    for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME"):
        monkeypatch.setenv(name, FORGED)
    for command in commands.COMMANDS:
        assert command.callback is not None
        monkeypatch.setitem(command.callback.__globals__, "load_settings", lambda: settings)
    return prepared


def on_record(rehearsal: Rehearsal) -> list[tuple[str, str]]:
    query = text("SELECT action, actor FROM action_history ORDER BY acted_at")
    rows = rehearsal.pipeline.ledger.read(lambda one: one.execute(query).all())
    return [(action, who) for action, who in rows]


def test_each_command_that_changes_something_leaves_who_did_it(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    second = ["hand-over", str(SECOND), *OF_A_KIND]
    rejected = rehearsal.reconcile(FIRST, VERIFICATIONS, at(FIRST, hours=3))
    profile = str(rejected.loc[rejected["status"] == "rejected", "user_profile_id"].iloc[0])
    asked = {
        "hold": ["hold", "1", *WHY],
        "release": ["release", "1", *WHY],
        "hand-over, begun": [*second, "--to", str(tmp_path)],
        "hand-over, withdrawn": [*second, "--withdraw", "nobody came"],
        "hand-over, begun again": [*second, "--to", str(tmp_path / "again")],
        "hand-over, confirmed": [*second, "--confirm", "the courier, 06:10"],
        "redeliver": ["redeliver", str(FIRST), *OF_A_KIND, *WHY],
        "resolve": ["resolve", profile, "--date", str(FIRST), "--note", "entered by hand"],
        "recover": ["recover"],
        "egress": ["egress", str(SECOND)],
        "backfill": ["backfill", "--failed"],
        "erase": ["expire", "--profile", profile, *WHY],
        "snapshots renew": ["snapshots", "renew"],
    }
    done = {command[0] for command in asked.values()}
    assert done == set(commands.vye.commands) - READS
    for action, command in asked.items():
        before = len(on_record(rehearsal))
        assert run(command) != BAD_USAGE, action
        new = on_record(rehearsal)[before:]
        assert new, action
        assert {who for _, who in new} == {actor()}, action
        assert action.removesuffix(" again") in {name for name, _ in new}
    assert FORGED not in actor()


def test_who_accepts_what_is_quarantined_is_on_record(rehearsal: Rehearsal) -> None:
    rehearsal.dawn()
    rehearsal.correct("vye_direct_deposit_changes", "acct_no", "none")
    kind = ["--kind", DIRECT_DEPOSIT_CHANGES.name]
    third = ["egress", str(DAYS[2]), *kind]
    assert run(third) == FAILED
    assert run([*third, "--accept-quarantine", "the bank was closed"]) != BAD_USAGE
    accepted = rehearsal.pipeline.ledger.read(
        lambda one: one.execute(select(ACCEPTED_GAPS.c.accepted_by)).scalars().all()
    )
    assert set(accepted) == {actor()}


@pytest.mark.parametrize("table", SIGNED)
def test_postgresql_signs_with_the_sessions_user_whatever_is_written(
    postgresql: PostgreSQL, embedded: Settings, table: str
) -> None:
    settings = {"ledger_url": postgresql.database(), "snapshot_key": Fernet.generate_key().decode()}
    ledger = Rehearsal.open(embedded.model_copy(update=settings)).pipeline.ledger
    with ledger.engine.connect() as connection:
        for key in inspect(connection).get_foreign_keys(table):  # the row stands alone
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {key['name']}")
        one = Table(table, MetaData(), autoload_with=connection)
        insert_row(connection, one, database_user=FORGED)
        signed = connection.scalar(select(one.c.database_user))
        assert signed == connection.scalar(text("SELECT session_user"))
