"""Days of any size: every user verifies, one in ten changes the bank account and the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Engine, update

from vye_pipeline.business_days import cut_off
from vye_pipeline.context import Context
from vye_pipeline.settings import Settings
from vye_pipeline.sql.frames import append_frame
from vye_pipeline.vye_database.creation import create_tables
from vye_pipeline.vye_database.tables import Base

DAY = date(2025, 4, 1)
NEVER_ISSUED = 900_000_000  # SSNs from here on belong to nobody
ROUTING_NUMBERS = ("021000021", "011401533", "091000019")
ONE_IN = 10


def fill(settings: Settings, users: int, days: Sequence[date] = (DAY,)) -> None:
    """Makes VYE's tables, with one clone a day that is ready for BDN; and the ledger's, empty.

    Args:
        settings: of databases that are empty.
        users: how many verify a day; each day they are others.
        days: business days, in order.
    """
    pipeline = Context(settings)
    engine = pipeline.vye.engine()
    create_tables(engine)
    for number, day in enumerate(days):
        with engine.begin() as connection:
            for table, frame in tables(day, number + 1, users).items():
                append_frame(connection, Base.metadata.tables[table], frame)
    settle(engine)
    settle(pipeline.ledger.engine)


def activate(pipeline: Context, *days: date) -> None:
    """Leaves only some days' clones ready for BDN: the others are handed back or not active yet."""
    clones = Base.metadata.tables["vye_bdn_clones"]
    with pipeline.vye.engine().begin() as connection:
        connection.execute(update(clones).values(export_ready=None))
        for day in days:
            closed_at = cut_off(day).astimezone(UTC).replace(tzinfo=None)
            connection.execute(
                update(clones)
                .where(clones.c.transact_date == day)
                .values(export_ready=True, updated_at=closed_at)
            )


def after_cut_off(day: date) -> datetime:
    """Returns the time at which a day is run."""
    return cut_off(day).astimezone(UTC) + timedelta(minutes=1)


def tables(day: date, clone: int, users: int) -> dict[str, pd.DataFrame]:
    """Returns the rows of a day whose clone is ready for BDN, by table."""
    ids = pd.Series(np.arange((clone - 1) * users + 1, clone * users + 1))
    text = ids.astype("str").str.zfill(9)
    ssns = (ids + NEVER_ISSUED).astype("str")
    some = ids[ids % ONE_IN == 0]
    made = {
        "vye_bdn_clones": pd.DataFrame(
            {"id": [clone], "export_ready": [True], "transact_date": [day]}
        ),
        "vye_user_profiles": pd.DataFrame({"id": ids, "icn": text}),
        "vye_user_infos": pd.DataFrame(
            {
                "id": ids,
                "user_profile_id": ids,
                "bdn_clone_id": clone,
                "file_number": text,
                "suffix": "00",
                "stub_nm": "A VETER",
                "rpo_code": 316,
                "fac_code": "11907111",
                "indicator": "A",
            }
        ),
        "vye_verifications": pd.DataFrame(
            {
                "id": ids,
                "user_profile_id": ids,
                "user_info_id": ids,
                "transact_date": day,
                "source_ind": "W",
            }
        ),
        "vye_direct_deposit_changes": pd.DataFrame(
            {
                "id": some,
                "user_info_id": some,
                "full_name": "A VETERAN",
                "phone": "5555550100",
                "email": "veteran@example.com",
                "acct_no": (some + 77_000_000_000).astype("str"),
                "acct_type": "checking",
                "routing_no": np.resize(np.array(ROUTING_NUMBERS), len(some)),
                "bank_name": "A BANK",
                "bank_phone": "5555550199",
            }
        ),
        "vye_address_changes": pd.DataFrame(
            {
                "id": some,
                "user_info_id": some,
                "veteran_name": "A VETERAN",
                "address1": some.astype("str") + " MAIN ST",
                "city": "ANYTOWN",
                "state": "KS",
                "zip_code": "66002",
                "origin": "frontend",
            }
        ),
    }
    identities = {"mpi_identities": pd.DataFrame({"icn": text, "ssn": ssns})}
    stamped = {name: _stamped(frame, day) for name, frame in made.items()}
    closed_at = pd.Timestamp(cut_off(day).astimezone(UTC))  # as VYE activates the next clone
    stamped["vye_bdn_clones"] = stamped["vye_bdn_clones"].assign(updated_at=closed_at)
    return identities | stamped


def _stamped(frame: pd.DataFrame, day: date) -> pd.DataFrame:
    moment = pd.Timestamp(cut_off(day).astimezone(UTC) - timedelta(hours=6))
    return frame.assign(created_at=moment, updated_at=moment)


def settle(engine: Engine) -> None:
    """Leaves the tables as a server does that has had a night: seen through, and on the disk."""
    statements = {"postgresql": ("VACUUM ANALYZE", "CHECKPOINT"), "sqlite": ("ANALYZE",)}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements[engine.dialect.name]:
            connection.exec_driver_sql(statement)
