"""The golden day in production's shape: encrypted columns, identities in another database."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text

from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.vye_database.column_cipher import open_value
from vye_pipeline.vye_database.data_keys import DataKeys, WrappedKey
from vye_pipeline.vye_database.personal import KEY_COLUMN, PERSONAL, SUFFIX, ciphertext
from vye_pipeline.vye_database.sealing import seal, wrapped_by
from vye_pipeline_tests.integration.rehearsal import Rehearsal, at, load
from vye_pipeline_tests.integration.stand_in_kms import KEY_ID

GOLDEN = Path(__file__).parents[1] / "golden"
GOLDEN_DAY = date(2024, 3, 4)
SENT_AT = at(GOLDEN_DAY, hours=5)  # whether VYE has activated by then or not
CLONE = "3"


def prepare_golden(folder: Path, database_url: str | None = None) -> Settings:
    """Makes the golden day's databases and returns the settings that lead to them."""
    settings = load_settings(
        local_dir=folder / "local",
        start_date=date(2024, 1, 2),
        database_url=database_url,
        database_write_url=database_url,
        column_kms_key_id=KEY_ID,
        identity_url=f"sqlite:///{folder / 'identities.db'}",
    )
    load(settings, golden_folder(folder / "tables"))
    return settings


def golden_folder(folder: Path) -> Path:
    """Puts the golden day together: its export-ready clone in production's columns."""
    shutil.copytree(GOLDEN / "input", folder)
    infos = {
        row["id"] for row in rows_of(folder / "vye_user_infos.csv") if row["bdn_clone_id"] == CLONE
    }
    for table in PERSONAL:
        (folder / f"{table}.csv").unlink()
        shutil.copy(GOLDEN / "encrypted" / f"{table}.csv", folder)
    verifications = folder / "vye_verifications.csv"
    kept = [row for row in rows_of(verifications) if row["user_info_id"] in infos]
    with verifications.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_golden(rehearsal: Rehearsal) -> None:
    sent = {Path(key).name: content for key, content in rehearsal.sent().items()}
    assert sent == {path.name: path.read_bytes() for path in (GOLDEN / "expected").iterdir()}


def rotate(rehearsal: Rehearsal) -> None:
    """Gives each row a new data key and new ciphertexts, as VYE's rotation does."""
    wrap = wrapped_by(KEY_ID)
    for table, personal in PERSONAL.items():
        with rehearsal.pipeline.vye_engine.connect() as connection:
            rows = [
                dict(row._mapping) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
            ]
        wrapped_keys = [
            WrappedKey(personal.model, row["id"], row[KEY_COLUMN] or "") for row in rows
        ]
        keys = DataKeys(None).open([key for key in wrapped_keys if key.stored])
        for row, key in zip(rows, wrapped_keys, strict=True):
            opened = keys.get(key)
            cipher = AESGCM(opened) if opened else None
            for column in personal.columns:
                stored = row[ciphertext(column)]
                row[column] = open_value(cipher, stored) if cipher and stored else stored
        plain = [
            {name: value for name, value in row.items() if not name.endswith(SUFFIX)}
            for row in rows
        ]
        sealed = seal(table, plain, wrap)
        names = [*(ciphertext(column) for column in personal.columns), KEY_COLUMN]
        sets = ", ".join(f"{name} = :{name}" for name in names)
        with rehearsal.pipeline.vye.engine().begin() as connection:
            connection.execute(
                text(f"UPDATE {table} SET {sets} WHERE id = :id"),
                [{name: row[name] for name in ("id", *names)} for row in sealed],
            )
