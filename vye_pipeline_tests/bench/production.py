"""A day in production's shape: what decrypting costs, with KMS some milliseconds away and without.

KMS is the tests' stand-in, in a process of its own; its blobs are moto's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from sqlalchemy import insert

from vye_pipeline.context import Context
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.sql.frames import append_frame
from vye_pipeline.vye_database.creation import create_identities, create_tables
from vye_pipeline.vye_database.identity_table import identity_database
from vye_pipeline.vye_database.insecure_test_key import INSECURE_KEY_ID, wrap_insecurely
from vye_pipeline.vye_database.personal import KEY_COLUMN, PERSONAL, ciphertext, encrypted_tables
from vye_pipeline.vye_database.sealing import Wrap, seal
from vye_pipeline.vye_database.tables import Base
from vye_pipeline_tests.bench.pipeline import DAY, tables
from vye_pipeline_tests.bench.processes import in_a_process
from vye_pipeline_tests.bench.run import egress_of
from vye_pipeline_tests.integration.stand_in_kms import KEY_ID, StandInKms

ROWS = 20_000
LATENCY = 0.02
ROWS_A_USER = 1.2  # one in ten changes bank account and address too
WIDEST = "vye_direct_deposit_changes"


def measure(rows: int = ROWS, latency: float = LATENCY) -> dict[str, float]:
    """Times a day of so many rows that KMS has to open, and decrypting as many without it.

    Args:
        rows: of user_infos, direct deposit and address changes together.
        latency: of KMS, in seconds.
    """
    return {
        "rows": rows,
        f"decrypt {WIDEST}, keys known": in_a_process(decrypt, rows),
        **in_a_process(whole_day, rows, latency),
    }


def decrypt(rows: int) -> float:
    """Times opening rows of nine columns whose data keys are known."""
    one = tables(DAY, 1, 10)[WIDEST].drop(columns=["created_at", "updated_at"])
    plain = [{**dict(one.iloc[0]), "id": number} for number in range(1, rows + 1)]
    columns = PERSONAL[WIDEST].columns
    sealed = seal(WIDEST, plain, wrap_insecurely)
    frame = pd.DataFrame(
        {
            "record_id": [row["id"] for row in sealed],
            KEY_COLUMN: [row[KEY_COLUMN] for row in sealed],
            **{name: [row[ciphertext(name)] or "" for row in sealed] for name in columns},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(local_dir=Path(folder), column_kms_key_id=INSECURE_KEY_ID)
        pipeline = Context(settings)
        create_tables(pipeline.vye.engine(), encrypted=True)
        pipeline.personal.open_table(WIDEST, frame, columns)  # makes the keys known
        begun = perf_counter()
        opened = pipeline.personal.open_table(WIDEST, frame, columns)
        taken = perf_counter() - begun
    assert (opened["full_name"] == plain[0]["full_name"]).all()
    return taken


def whole_day(rows: int, latency: float) -> dict[str, float]:
    """Times the egress of a day at a KMS that takes its time."""
    users = round(rows / ROWS_A_USER)
    with tempfile.TemporaryDirectory() as folder, kms_elsewhere(latency) as kms:
        settings = load_settings(
            local_dir=Path(folder) / "local",
            start_date=DAY,
            column_kms_key_id=KEY_ID,
            identity_url=f"sqlite:///{folder}/identities.db",
        )
        fill_encrypted(settings, users, StandInKms().wrap)
        pipeline = Context(settings)
        begun = perf_counter()
        for kind in KINDS:
            egress_of(pipeline, kind, DAY)
        taken = perf_counter() - begun
        calls = kms()
    opened = users + 2 * (users // 10)
    assert calls == opened, (calls, opened)
    return {f"a day at a KMS of {latency * 1000:.0f} ms": taken, "KMS calls": calls}


def fill_encrypted(settings: Settings, users: int, wrap: Wrap) -> None:
    """Makes a day in production's shape."""
    settings.folder.mkdir(parents=True)
    engine = Context(settings).vye.engine()
    create_tables(engine, encrypted=True)
    identities = identity_database(settings.identities_url or "").engine()
    create_identities(identities)
    for name, frame in tables(DAY, 1, users).items():
        if name == "mpi_identities":
            with identities.begin() as connection:
                append_frame(connection, Base.metadata.tables[name], frame)
            continue
        stored = encrypted_tables().tables[name]
        with engine.begin() as connection:
            if name in PERSONAL:
                connection.execute(insert(stored), _sealed(name, frame, wrap))
            else:
                append_frame(connection, stored, frame)


def _sealed(name: str, frame: pd.DataFrame, wrap: Wrap) -> list[dict[str, Any]]:
    moments = {
        column: frame[column].dt.tz_localize(None).dt.to_pydatetime()
        for column in ("created_at", "updated_at")
    }
    rows = frame.assign(**moments).astype(object).to_dict("records")
    return seal(name, [{str(key): value for key, value in row.items()} for row in rows], wrap)


@contextmanager
def kms_elsewhere(latency: float) -> Iterator[Any]:
    """Runs a stand-in KMS in another process; yields what asks it how often it was called."""
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, latency), daemon=True)
    process.start()
    surroundings = {
        "AWS_ENDPOINT_URL_KMS": ours.recv(),
        "AWS_REGION": "us-gov-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    os.environ.update(surroundings)

    def calls() -> int:
        ours.send("calls")
        return int(ours.recv())

    try:
        yield calls
    finally:
        process.terminate()
        for name in surroundings:
            os.environ.pop(name, None)


def _serve(pipe: Connection, latency: float) -> None:
    sys.setswitchinterval(0.001)
    with StandInKms(latency=latency).serving() as kms:
        pipe.send(kms.url)
        while pipe.recv() == "calls":
            pipe.send(len(kms.calls))
