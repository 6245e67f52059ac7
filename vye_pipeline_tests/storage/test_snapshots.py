"""A snapshot comes back as written, with the right key and under its own name, or not at all."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.settings import Settings
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.snapshots import FINGERPRINT_KEY, SnapshotStore, open_snapshots

NAME = "verifications/2025-04-07"
CONTENT = b"900123456,DOE"
OLD_KEY, NEW_KEY = Fernet.generate_key(), Fernet.generate_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the snapshots of a test lie."""
    return tmp_path / "snapshots"


@pytest.fixture
def snapshots(folder: Path) -> SnapshotStore:
    """Snapshots in an empty folder."""
    return SnapshotStore(FolderStore(folder), [OLD_KEY])


def local(folder: Path, **settings: str) -> Settings:
    """The embedded default in a folder."""
    return Settings(local_dir=folder, **settings)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=200))
def test_a_snapshot_comes_back_as_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    snapshots = SnapshotStore(FolderStore(tmp_path_factory.mktemp("snapshots")), [OLD_KEY])
    snapshots.put(NAME, content)
    assert snapshots.get(NAME) == content


def test_a_snapshot_is_replaced_and_deleted(snapshots: SnapshotStore) -> None:
    snapshots.put(NAME + "-2", CONTENT)
    assert not snapshots.exists(NAME)
    snapshots.put(NAME, b"older")
    snapshots.put(NAME, CONTENT)
    assert snapshots.exists(NAME)
    assert snapshots.get(NAME) == CONTENT
    snapshots.delete(NAME)
    snapshots.delete(NAME)
    assert not snapshots.exists(NAME)
    assert snapshots.get(NAME + "-2") == CONTENT


def test_nothing_of_a_snapshot_can_be_read_without_the_key(
    snapshots: SnapshotStore, folder: Path
) -> None:
    snapshots.put(NAME, CONTENT)
    sealed = (folder / NAME).read_bytes()
    for visible in (sealed, urlsafe_b64decode(sealed)):
        assert b"900123456" not in visible
        assert b"2025-04-07" not in visible


def test_after_rotation_old_snapshots_open_and_new_ones_need_the_new_key(folder: Path) -> None:
    store = FolderStore(folder)
    SnapshotStore(store, [OLD_KEY]).put("old", CONTENT)
    rotated = SnapshotStore(store, [NEW_KEY, OLD_KEY])
    rotated.put("new", CONTENT)
    assert rotated.get("old") == rotated.get("new") == CONTENT
    assert SnapshotStore(store, [NEW_KEY]).get("new") == CONTENT
    with pytest.raises(PipelineError, match="another key"):
        SnapshotStore(store, [OLD_KEY]).get("new")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_snapshot_with_any_character_changed_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("snapshots")
    snapshots = SnapshotStore(FolderStore(folder), [OLD_KEY])
    snapshots.put(NAME, CONTENT)
    sealed = bytearray((folder / NAME).read_bytes())
    sealed[data.draw(st.integers(0, len(sealed) - 5))] = data.draw(st.sampled_from(b"!~*"))
    (folder / NAME).write_bytes(sealed)
    with pytest.raises(PipelineError, match=f"the snapshot {NAME} is damaged") as caught:
        snapshots.get(NAME)
    assert "DOE" not in str(caught.value)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, False)


def test_two_snapshots_that_were_swapped_are_refused(
    snapshots: SnapshotStore, folder: Path
) -> None:
    for name in ("a", "ab"):
        snapshots.put(name, CONTENT)
    a, ab = (folder / "a").read_bytes(), (folder / "ab").read_bytes()
    (folder / "a").write_bytes(ab)
    (folder / "ab").write_bytes(a)
    for name in ("a", "ab"):
        with pytest.raises(PipelineError, match=f"the snapshot {name} holds") as caught:
            snapshots.get(name)
        assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, False)


def test_a_missing_snapshot_is_a_defect_that_names_it(snapshots: SnapshotStore) -> None:
    with pytest.raises(PipelineError, match=f"the snapshot {NAME} is missing") as caught:
        snapshots.get(NAME)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.STORAGE, False)


def test_beside_a_sqlite_ledger_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    open_snapshots(local(tmp_path)).put(NAME, CONTENT)
    assert (tmp_path / "snapshot.key").stat().st_mode & 0o777 == 0o600
    assert open_snapshots(local(tmp_path)).get(NAME) == CONTENT


def open_all_in_step(barrier: Barrier, folders: list[Path], name: str) -> None:
    for folder in folders:
        barrier.wait(timeout=60)
        open_snapshots(local(folder)).put(name, CONTENT)


def test_processes_that_make_the_key_at_once_end_with_one(tmp_path: Path) -> None:
    names = ["first", "second", "third"]
    folders = [tmp_path / str(number) for number in range(40)]
    context = get_context("forkserver")
    barrier = context.Barrier(len(names))
    processes = [
        context.Process(target=open_all_in_step, args=(barrier, folders, name)) for name in names
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * len(names)
    for folder in folders:
        snapshots = open_snapshots(local(folder))
        assert [snapshots.get(name) for name in names] == [CONTENT] * len(names)


def test_the_key_of_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    keys = f"{NEW_KEY.decode()}, {OLD_KEY.decode()}"
    open_snapshots(local(tmp_path, snapshot_key=keys)).put(NAME, CONTENT)
    assert not (tmp_path / "snapshot.key").exists()
    store = FolderStore(tmp_path / "snapshots")
    assert SnapshotStore(store, [NEW_KEY]).get(NAME) == CONTENT


def test_without_a_sqlite_ledger_the_key_must_be_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"VYE_SNAPSHOT_KEY must be set.*generate_key"):
        open_snapshots(local(tmp_path, ledger_url="postgresql+psycopg://host/ledger"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key",
    ["short", "é" * 44, ",", NEW_KEY.decode() + ",short"],
    ids=["too short", "not ASCII", "only a comma", "a second one that is too short"],
)
def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match="VYE_SNAPSHOT_KEY is not a snapshot key") as caught:
        open_snapshots(local(tmp_path, snapshot_key=key))
    for part in key.split(","):
        assert not part or part not in str(caught.value)


def test_a_key_file_that_holds_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "snapshot.key").write_text("garbage")
    with pytest.raises(UsageError, match=r"snapshot\.key is not a snapshot key") as caught:
        open_snapshots(local(tmp_path))
    assert "garbage" not in str(caught.value)


def test_a_url_that_is_none_is_refused_by_its_variable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"VYE_SNAPSHOT_URL can't be used: .*s3://bucket/prefix"):
        open_snapshots(local(tmp_path, snapshot_url="ftp://host"))


def test_a_snapshot_of_a_version_that_did_not_compress_opens_still(tmp_path: Path) -> None:
    key, store = Fernet.generate_key(), FolderStore(tmp_path)
    store.put("2025-04-01/upload_file", Fernet(key).encrypt(b"2025-04-01/upload_file\nas it was"))
    assert SnapshotStore(store, [key]).get("2025-04-01/upload_file") == b"as it was"


def test_what_is_much_alike_takes_little_room(tmp_path: Path) -> None:
    content = b"A VETER891234567202504013161AW\n" * 10_000
    store = FolderStore(tmp_path)
    SnapshotStore(store, [Fernet.generate_key()]).put("2025-04-01/upload_file", content)
    assert len(store.get("2025-04-01/upload_file")) < len(content) / 50


def test_a_fingerprint_survives_every_rotation_of_the_snapshots_key(folder: Path) -> None:
    def fingerprint(*keys: bytes) -> str:
        return SnapshotStore(FolderStore(folder), keys).fingerprint(CONTENT)

    before = fingerprint(OLD_KEY)
    assert before != hashlib.sha256(CONTENT).hexdigest()
    assert fingerprint(NEW_KEY, OLD_KEY) == before
    assert fingerprint(NEW_KEY) == before
    with pytest.raises(PipelineError, match="written with another key"):
        fingerprint(OLD_KEY)
    assert SnapshotStore(FolderStore(folder / "other"), [NEW_KEY]).fingerprint(CONTENT) != before


def test_no_second_key_of_fingerprints_is_made_where_something_is_named_with_one(
    snapshots: SnapshotStore, folder: Path
) -> None:
    snapshots.keep("feed", CONTENT)
    snapshots.delete(FINGERPRINT_KEY)
    with pytest.raises(PipelineError, match=f"restore {FINGERPRINT_KEY}"):
        SnapshotStore(FolderStore(folder), [OLD_KEY]).fingerprint(CONTENT)


def test_an_old_key_can_be_withdrawn_once_all_is_renewed(
    folder: Path, snapshots: SnapshotStore
) -> None:
    snapshots.put(NAME, CONTENT)
    fingerprint = snapshots.fingerprint(CONTENT)
    both = SnapshotStore(FolderStore(folder), [NEW_KEY, OLD_KEY])
    assert all(both.renew(name) for name in both.names(""))
    assert not any(both.renew(name) for name in both.names(""))
    newest = SnapshotStore(FolderStore(folder), [NEW_KEY])
    assert newest.get(NAME) == CONTENT
    assert newest.fingerprint(CONTENT) == fingerprint


def test_what_cannot_be_opened_is_not_renewed(folder: Path, snapshots: SnapshotStore) -> None:
    snapshots.put(NAME, CONTENT)
    stranger = SnapshotStore(FolderStore(folder), [NEW_KEY])
    with pytest.raises(PipelineError, match="another key"):
        stranger.renew(NAME)
    assert snapshots.get(NAME) == CONTENT
