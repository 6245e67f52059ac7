"""Loading CSV files: all or nothing, and errors that name the place, not the value."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, func, select

from vye_pipeline.errors import UsageError
from vye_pipeline.simulation.sample import SAMPLE_FOLDER, generate, write_folder
from vye_pipeline.vye_database.creation import create_tables, import_folder
from vye_pipeline.vye_database.tables import Base

STAMP = "2025-04-01 10:00:00.000000"
CLONES = f"id,is_active,export_ready,created_at,updated_at\n1,t,\\N,{STAMP},{STAMP}\n"


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://")
    create_tables(engine)
    return engine


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Base.metadata.tables[table])) or 0


def test_the_sample_is_what_the_generator_writes(tmp_path: Path) -> None:
    write_folder(generate(), tmp_path)
    names = {path.name for path in SAMPLE_FOLDER.iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (SAMPLE_FOLDER / name).read_bytes()


def test_the_sample_has_only_ssns_that_were_never_issued() -> None:
    ssns = [row["ssn"] for row in generate().rows["mpi_identities"]]
    assert len(set(ssns)) == len(ssns)
    assert all(ssn[:3] in {"000", "666"} or ssn[0] == "9" for ssn in ssns)


def test_a_folder_is_loaded_with_a_count_for_each_table(engine: Engine) -> None:
    loaded = import_folder(engine, SAMPLE_FOLDER)
    assert {table: one.rows for table, one in loaded.items()} == {
        table: count(engine, table) for table in Base.metadata.tables
    }


def rewrite(folder: Path, table: str, *, without: str = "", renamed: str = "") -> None:
    """Writes a table's file anew without a column, or with it under another name."""
    path = folder / f"{table}.csv"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    place = rows[0].index(without)
    kept = [
        row[:place] + ([cell] if renamed else []) + row[place + 1 :]
        for row in rows
        for cell in [renamed if row is rows[0] else row[place]]
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(kept)


def test_columns_that_are_left_out_are_listed(engine: Engine, tmp_path: Path) -> None:
    write_folder(generate(), tmp_path)
    rewrite(tmp_path, "vye_user_infos", without="dob", renamed="birthday")
    assert import_folder(engine, tmp_path)["vye_user_infos"].left_out == ["birthday"]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("vye_user_infos", "stub_nm"),
        ("vye_user_infos", "bdn_clone_id"),
        ("vye_address_changes", "origin"),
        ("vye_direct_deposit_changes", "acct_no"),
        ("mpi_identities", "ssn"),
        ("vye_bdn_clones", "export_ready"),
    ],
)
def test_a_file_without_what_is_read_or_encrypted_is_refused(
    engine: Engine, tmp_path: Path, table: str, column: str
) -> None:
    write_folder(generate(), tmp_path)
    rewrite(tmp_path, table, without=column, renamed=f"{column}_ciphertext")
    with pytest.raises(UsageError, match=f"{column}_ciphertext is encrypted, as in production"):
        import_folder(engine, tmp_path)
    rewrite(tmp_path, table, without=f"{column}_ciphertext")
    with pytest.raises(UsageError, match=f"{table}.csv, line 1: column {column} is missing"):
        import_folder(engine, tmp_path)
    assert not any(count(engine, one) for one in Base.metadata.tables)


@pytest.mark.parametrize(
    ("table", "column", "fault"),
    [
        ("vye_user_infos", "user_profile_id", "points to no row of vye_user_profiles"),
        ("vye_verifications", "user_info_id", "points to no row of vye_user_infos"),
        ("vye_user_profiles", "icn", "is that of another row"),
        ("mpi_identities", "icn", "is that of another row"),
        ("vye_user_infos", "id", "is that of another row"),
    ],
)
def test_a_row_that_repeats_an_id_or_points_nowhere_is_named_by_its_line(
    engine: Engine, tmp_path: Path, table: str, column: str, fault: str
) -> None:
    write_folder(generate(), tmp_path)
    path = tmp_path / f"{table}.csv"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    place = rows[0].index(column)
    rows[4][place] = rows[2][place] if "another" in fault else "987654321"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(UsageError, match=f"{table}.csv, line 5: {column} {fault}"):
        import_folder(engine, tmp_path)
    assert not any(count(engine, one) for one in Base.metadata.tables)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is empty: it needs a header row"),
        ("id,is_active\n", "line 1: column created_at is missing"),
        ("id,id,created_at,updated_at\n", "line 1: a column stands there twice"),
        (CLONES + "2,t\n", "line 3: 2 cells under 5 columns"),
        (CLONES + f"two,t,t,{STAMP},{STAMP}\n", "line 3: id is no whole number"),
        (CLONES + f"2,yes,t,{STAMP},{STAMP}\n", r"line 3: is_active is no boolean \(t or f\)"),
        (CLONES + f"2,t,t,yesterday,{STAMP}\n", "line 3: created_at is no timestamp"),
        (CLONES + f"1,t,t,{STAMP},{STAMP}\n", "line 3: id is that of another row"),
        (CLONES + f'2,"t"t,t,{STAMP},{STAMP}\n', "line 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_nothing_is_loaded(
    engine: Engine, tmp_path: Path, content: str, fault: str
) -> None:
    write_folder(generate(), tmp_path)
    (tmp_path / "vye_bdn_clones.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=fault) as caught:
        import_folder(engine, tmp_path)
    assert "vye_bdn_clones.csv" in str(caught.value)
    assert not any(count(engine, table) for table in Base.metadata.tables)


def test_a_file_of_no_table_and_a_folder_without_any_are_refused(
    engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds no CSV file"):
        import_folder(engine, tmp_path)
    (tmp_path / "letters.csv").write_text("id\n")
    with pytest.raises(UsageError, match="VYE has no table letters"):
        import_folder(engine, tmp_path)


def test_without_tables_the_command_that_makes_them_is_named(tmp_path: Path) -> None:
    (tmp_path / "vye_bdn_clones.csv").write_text(CLONES, encoding="utf-8")
    with pytest.raises(UsageError, match="run vye database create first"):
        import_folder(create_engine("sqlite://"), tmp_path)


def test_bytes_that_are_no_text_are_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "vye_bdn_clones.csv").write_bytes(CLONES.encode() + b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8"):
        import_folder(engine, tmp_path)
