"""The worklist of a day, and how a veteran is reached."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from vye_pipeline.actor import actor
from vye_pipeline.business_days import FEDERAL_CALENDAR, end_of_day
from vye_pipeline.cli import commands
from vye_pipeline.errors import UsageError
from vye_pipeline.ledger.models import CONTACT_LOOKUPS
from vye_pipeline.records import KINDS
from vye_pipeline.reporting.calendar import Affected, affected
from vye_pipeline.reporting.contacts import look_up, reachable
from vye_pipeline.reporting.resolutions import Resolution, resolve
from vye_pipeline.reporting.worklist import worklist
from vye_pipeline.settings import Settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True

DAY = DAYS[0]
KNOWN = end_of_day(DAY)


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    """A delivered day of which BDN refuses every file."""
    return refused(settings)


def refused(settings: Settings) -> Rehearsal:
    prepared = Rehearsal.prepare(settings)
    prepared.dawn()
    assert prepared.egress(DAY) == []
    answer_partition(prepared.outage, DAY, Faults(refuse=True), received_at=at(DAY, hours=2))
    for kind in KINDS:
        prepared.reconcile(DAY, kind, KNOWN)
    return prepared


def test_resolutions_survive_the_loss_of_the_ledger_as_a_file(
    embedded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal = refused(embedded)
    closed = {one.user_profile_id for one in open_items(rehearsal)[:5] if one.user_profile_id}
    ledger = rehearsal.pipeline.ledger
    resolve(
        ledger,
        [Resolution(profile, DAY, None, f"called, case {profile}") for profile in closed],
        resolved_by="analyst",
        now=KNOWN,
    )
    before = open_items(rehearsal)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    monkeypatch.setenv("VYE_START_DATE", str(embedded.start_date))
    file = tmp_path / "resolutions.csv"
    assert commands.run(["export", "resolutions", "--out", str(file)]) == commands.SUCCESS
    ledger.engine.dispose()
    for part in embedded.folder.glob("ledger.db*"):
        part.unlink()
    assert commands.run(["recover"]) == commands.SUCCESS
    anew = Rehearsal.open(embedded)
    for kind in KINDS:
        anew.reconcile(DAY, kind, KNOWN)
    assert len(open_items(anew)) > len(before)
    assert commands.run(["resolve", "--from-csv", str(file)]) == commands.SUCCESS
    assert open_items(anew) == before
    assert commands.run(["export", "resolutions", "--out", str(file)]) == commands.SUCCESS
    assert file.read_text().count("called, case") == len(
        {(one.kind, one.user_profile_id) for one in everything(anew) if one.resolved_at}
    )


def everything(rehearsal: Rehearsal) -> list[Affected]:
    return rehearsal.pipeline.ledger.read(lambda connection: affected(connection, [DAY]))


def open_items(rehearsal: Rehearsal) -> list[Affected]:
    return [item for item in everything(rehearsal) if item.is_open]


def test_the_worklist_is_one_row_a_profile_with_what_there_is_to_know(
    rehearsal: Rehearsal,
) -> None:
    with rehearsal.pipeline.ledger.transaction() as connection:
        items = [item for item in affected(connection, [DAY]) if item.user_profile_id]
    rows = worklist(
        rehearsal.pipeline, DAY, end_of_day(FEDERAL_CALENDAR.business_days_after(DAY, 2))
    )
    by_profile = rows.set_index("user_profile_id")
    assert by_profile.index.is_unique
    assert set(by_profile.index) == {item.user_profile_id for item in items}
    assert (rows["kinds"].str.contains("; ")).any(), "somebody is affected in several kinds"
    for item in items:
        row = by_profile.loc[item.user_profile_id]
        assert item.kind in row["kinds"].split("; ")
        assert item.status in row["statuses"].split("; ")
        assert row["reasons"]
        assert row["next_steps"]
    assert set(rows["waited_business_days"]) == {2}
    assert not rows["is_moot"].any(), "nothing newer was delivered"


def test_a_newer_delivered_submission_makes_an_item_moot(rehearsal: Rehearsal) -> None:
    for day in DAYS[1:]:
        rehearsal.dawn()
        assert rehearsal.egress(day) == []
    rows = worklist(rehearsal.pipeline, DAY, KNOWN)
    assert set(rows["is_moot"]) == {True, False}


def test_what_is_resolved_leaves_the_list(rehearsal: Rehearsal) -> None:
    before = set(worklist(rehearsal.pipeline, DAY, KNOWN)["user_profile_id"])
    profile = min(before)
    wanted = [Resolution(profile, DAY, None, "done")]
    resolve(rehearsal.pipeline.ledger, wanted, resolved_by="analyst", now=KNOWN)
    assert set(worklist(rehearsal.pipeline, DAY, KNOWN)["user_profile_id"]) == before - {profile}


def test_a_day_on_which_nobody_needs_a_person_has_an_empty_list(rehearsal: Rehearsal) -> None:
    assert worklist(rehearsal.pipeline, DAYS[1], KNOWN).empty


def test_reachable_are_those_who_have_given_a_way_and_the_newest_is_shown(
    rehearsal: Rehearsal,
) -> None:
    pipeline = rehearsal.pipeline
    profiles = worklist(pipeline, DAY, KNOWN)["user_profile_id"].tolist()
    for column, value in {"phone": " ", "phone2": "", "email": None}.items():
        rehearsal.correct("vye_direct_deposit_changes", column, value)
    assert reachable(pipeline, profiles) == frozenset()
    assert not worklist(pipeline, DAY, KNOWN)["is_reachable"].any()
    with pipeline.vye_engine.connect() as connection:
        first = connection.scalar(text("SELECT min(id) FROM vye_direct_deposit_changes"))
    rehearsal.correct("vye_direct_deposit_changes", "email", "first@example.org", [first])
    with pipeline.vye_engine.connect() as connection:
        owner = connection.scalar(
            text(
                "SELECT user_profile_id FROM vye_user_infos WHERE id = (SELECT user_info_id FROM"
                " vye_direct_deposit_changes ORDER BY id LIMIT 1)"
            )
        )
    assert reachable(pipeline, [*profiles, owner]) == {owner}
    known = look_up(pipeline, owner, looked_up_by="analyst", reason="BDN lost it", now=KNOWN)
    assert known is not None
    assert (known.email, known.phone) == ("first@example.org", " ")
    with pytest.raises(UsageError, match="nothing of user profile"):
        look_up(pipeline, owner + 100_000, looked_up_by="analyst", reason="x", now=KNOWN)


def test_who_looks_a_veteran_up_is_recorded_even_if_nothing_can_be_read(
    rehearsal: Rehearsal,
) -> None:
    pipeline = rehearsal.pipeline
    look_up(pipeline, 1, looked_up_by="analyst", reason="BDN lost it", now=KNOWN)
    with pipeline.ledger.transaction() as connection:
        rows = connection.execute(select(*CONTACT_LOOKUPS.c)).mappings().all()
        is_postgresql = connection.dialect.name == "postgresql"
    assert [dict(row) for row in rows] == [
        {
            "id": 1,
            "user_profile_id": 1,
            "looked_up_by": "analyst",
            "database_user": "postgres" if is_postgresql else None,
            "looked_up_at": KNOWN,
            "reason": "BDN lost it",
        }
    ]


def test_the_list_is_there_while_vyes_database_is_not(rehearsal: Rehearsal) -> None:
    rehearsal.change("ALTER TABLE vye_direct_deposit_changes RENAME TO elsewhere")
    rows = worklist(rehearsal.pipeline, DAY, KNOWN)
    assert len(rows)
    assert rows["is_reachable"].isna().all()


def test_contact_details_go_to_a_terminal_and_nowhere_else(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal.prepare(embedded)
    monkeypatch.setenv("VYE_LOCAL_DIR", str(embedded.folder))
    rehearsal.change("UPDATE vye_direct_deposit_changes SET email = 'first@example.org'")
    rehearsal.dawn()
    rehearsal.refuse(DAY)
    rehearsal.egress(DAY)
    with rehearsal.pipeline.ledger.transaction() as connection:
        profile = affected(connection, [DAY], "direct_deposit_changes")[0].user_profile_id
    command = ["affected", "--contact", str(profile), "--reason", "BDN lost it"]
    assert commands.run(command[:3]) == commands.BAD_USAGE
    assert commands.run(command) == commands.BAD_USAGE
    out, err = capfd.readouterr()
    assert out == ""
    assert "at a terminal only" in err
    own_end, terminal = pty.openpty()
    program = [sys.executable, "-m", "vye_pipeline"]
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "somebody-else")
    subprocess.run([*program, *command], stdout=terminal, check=True)
    os.close(terminal)
    assert b"first@example.org" in os.read(own_end, 1000)
    os.close(own_end)
    with rehearsal.pipeline.ledger.transaction() as connection:
        query = text("SELECT looked_up_by FROM contact_lookup_history")
        assert connection.scalars(query).all() == [actor()]
