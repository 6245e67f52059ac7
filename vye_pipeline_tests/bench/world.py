"""Days of any size: every user verifies, one in ten changes the bank account and the address."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from vye_pipeline.business_days import cut_off
from vye_pipeline.frames import append_frame
from vye_pipeline.vye_database.creation import create_tables
from vye_pipeline.vye_database.tables import Base
from vye_pipeline.world import World

DAY = date(2025, 4, 1)
NEVER_ISSUED = 900_000_000  # SSNs from here on belong to nobody
ROUTING_NUMBERS = ("021000021", "011401533", "091000019")
ONE_IN = 10


def fill(world: World, users: int) -> None:
    """Makes VYE's tables with one clone that is ready for DAY.

    Args:
        world: VYE's database, empty.
        users: how many verify.
    """
    create_tables(world.vye.engine())
    with world.vye.engine().begin() as connection:
        for table, frame in _tables(users).items():
            append_frame(connection, Base.metadata.tables[table], frame)
    _settle(world.vye.engine())


def _tables(users: int) -> dict[str, pd.DataFrame]:
    ids = pd.Series(np.arange(1, users + 1))
    text = ids.astype("str").str.zfill(9)
    some = ids[ids % ONE_IN == 0]
    return {
        "vye_bdn_clones": _stamped(
            pd.DataFrame({"id": [1], "export_ready": [True], "transact_date": [DAY]})
        ),
        "mpi_identities": pd.DataFrame({"icn": text, "ssn": (ids + NEVER_ISSUED).astype("str")}),
        "vye_user_profiles": _stamped(pd.DataFrame({"id": ids, "icn": text})),
        "vye_user_infos": _stamped(
            pd.DataFrame(
                {
                    "id": ids,
                    "user_profile_id": ids,
                    "bdn_clone_id": 1,
                    "file_number": text,
                    "suffix": "00",
                    "stub_nm": "A VETER",
                    "rpo_code": 316,
                    "fac_code": "11907111",
                    "indicator": "A",
                }
            )
        ),
        "vye_verifications": _stamped(
            pd.DataFrame(
                {
                    "id": ids,
                    "user_profile_id": ids,
                    "user_info_id": ids,
                    "transact_date": DAY,
                    "source_ind": "W",
                }
            )
        ),
        "vye_direct_deposit_changes": _stamped(
            pd.DataFrame(
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
            )
        ),
        "vye_address_changes": _stamped(
            pd.DataFrame(
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
            )
        ),
    }


def _stamped(frame: pd.DataFrame) -> pd.DataFrame:
    moment: datetime = cut_off(DAY).astimezone(UTC) - timedelta(hours=6)
    return frame.assign(created_at=pd.Timestamp(moment), updated_at=pd.Timestamp(moment))


def _settle(engine: Engine) -> None:
    """Leaves the tables as a server does that has had a night: seen through, and on the disk."""
    statements = {"postgresql": ("VACUUM ANALYZE", "CHECKPOINT"), "sqlite": ("ANALYZE",)}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements[engine.dialect.name]:
            connection.exec_driver_sql(statement)
