"""What every object store guarantees, and what only a folder has to."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.storage.folder_store import FolderStore
from vye_pipeline.storage.object_store import (
    ObjectMissing,
    ObjectStore,
    PutOutcome,
)
from vye_pipeline.storage.s3_store import S3Store
from vye_pipeline.storage.stores import open_object_store

KEY = "outbound/2025-04-07/vawave097"
CONTENT = b"DOE    00900123420250407318A W\n"
OTHER_CONTENT = b"ROE    00900123420250407318A W\n"

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put_once", "put", "delete"]),
        st.sampled_from(["a", "b/a", "b/c d", "b/é"]),
        st.sampled_from([b"", CONTENT, OTHER_CONTENT]),
    ),
    min_size=1,
    max_size=8,
)


def everything_in(store: ObjectStore) -> dict[str, bytes]:
    return {found.key: store.get(found.key) for found in store.list("")}


def take_step(store: ObjectStore, model: dict[str, bytes], verb: str, key: str, new: bytes) -> None:
    """Takes a step in both, where the model is a dictionary."""
    if verb == "put":
        store.put(key, new)
        model[key] = new
    elif verb == "delete":
        store.delete(key)
        model.pop(key, None)
    elif key not in model:
        assert store.put_once(key, new) is PutOutcome.STORED
        model[key] = new
    elif model[key] == new:
        assert store.put_once(key, new) is PutOutcome.ALREADY_THERE
    else:
        with pytest.raises(PipelineError, match="taken by other bytes"):
            store.put_once(key, new)


class ObjectStoreScenarios:
    """The same for every kind of store; a subclass gives an empty one as fixture `store`."""

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(steps=STEPS)
    def test_a_store_is_a_dictionary_that_never_overwrites_with_put_once(
        self, store: ObjectStore, steps: list[tuple[str, str, bytes]]
    ) -> None:
        for key in everything_in(store):
            store.delete(key)
        model: dict[str, bytes] = {}
        for verb, key, content in steps:
            take_step(store, model, verb, key, content)
            assert everything_in(store) == model

    def test_a_store_never_written_to_is_empty(self, store: ObjectStore) -> None:
        assert list(store.list("")) == []
        assert list(store.list("inbound/2025-04-07/")) == []

    def test_a_large_object_comes_back_as_it_was_put(self, store: ObjectStore) -> None:
        content = bytes(range(256)) * 20_000
        assert store.put_once(KEY, content) is PutOutcome.STORED
        assert store.get(KEY) == content
        assert store.find(KEY) == content

    def test_a_conflict_names_the_key_but_no_content_or_digest_of_it(
        self, store: ObjectStore
    ) -> None:
        store.put_once(KEY, CONTENT)
        with pytest.raises(PipelineError) as caught:
            store.put_once(KEY, OTHER_CONTENT)
        text = str(caught.value)
        assert KEY in text
        assert not re.search("[0-9a-f]{32}", text.replace(store.location(KEY), ""))
        assert "009001234" not in text
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)
        assert store.get(KEY) == CONTENT

    def test_what_is_not_there_is_missing_and_can_be_deleted(self, store: ObjectStore) -> None:
        store.put("outbound/a/b", CONTENT)
        for key in (KEY, "outbound/a", "outbound/a/b/c"):
            with pytest.raises(ObjectMissing, match=key):
                store.get(key)
            assert store.find(key) is None
            store.delete(key)
        assert everything_in(store) == {"outbound/a/b": CONTENT}

    def test_a_listing_is_sorted_and_holds_what_starts_with_the_prefix(
        self, store: ObjectStore
    ) -> None:
        for key in ("inbound/b.ack.2", "inbound/b.ack", "inbound/a/z", "inbound2", "outbound/b"):
            store.put(key, key.encode())
        listed = [(found.key, found.size) for found in store.list("inbound/")]
        assert listed == [("inbound/a/z", 11), ("inbound/b.ack", 13), ("inbound/b.ack.2", 15)]
        assert [found.key for found in store.list("inbound/b.ack.")] == ["inbound/b.ack.2"]
        assert [found.key for found in store.list("inb")][-1] == "inbound2"

    def test_the_etag_tells_a_replaced_object_from_an_unchanged_one(
        self, store: ObjectStore
    ) -> None:
        store.put(KEY, CONTENT)
        before = store.list(KEY)
        assert store.list(KEY) == before
        store.put(KEY, OTHER_CONTENT)
        assert store.list(KEY)[0].etag != before[0].etag

    def test_a_key_that_is_no_plain_relative_path_is_never_written(
        self, store: ObjectStore
    ) -> None:
        outside = ("", "/a", "../a", "a/../b", "a\0b")
        for key in (*outside, "a//b", "a/", "./a", ".a", "a\nb"):
            verbs: list[Callable[[], object]] = [
                partial(store.put_once, key, CONTENT),
                partial(store.put, key, CONTENT),
                partial(store.delete, key),
            ]
            if key in outside:
                verbs += [partial(store.get, key), partial(store.find, key)]
            elif key.isprintable():  # moto takes a line break in a key for another key
                assert store.find(key) is None
            for verb in verbs:
                with pytest.raises(PipelineError, match="can't be the key of an object"):
                    verb()
        with pytest.raises(PipelineError, match="can't be the key of an object"):
            store.list("../a/")
        assert everything_in(store) == {}


class TestFolderStore(ObjectStoreScenarios):
    """A folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """An empty folder that doesn't exist yet."""
        return FolderStore(tmp_path / "new" / "objects")

    def test_of_many_puts_at_once_one_wins_and_stays(self, store: ObjectStore) -> None:
        def put(number: int) -> PutOutcome | None:
            try:
                return store.put_once(KEY, b"%d" % number)
            except PipelineError:
                return None

        with ThreadPoolExecutor(8) as threads:
            outcomes = list(threads.map(put, range(40)))
        assert outcomes.count(PutOutcome.STORED) == 1
        assert store.get(KEY) == b"%d" % outcomes.index(PutOutcome.STORED)
        assert len(store.list("")) == 1

    def test_a_disk_that_fills_up_leaves_no_part_of_an_object(
        self, store: ObjectStore, tmp_path: Path
    ) -> None:
        store.put(KEY, CONTENT)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
        try:
            with pytest.raises(PipelineError, match="EFBIG"):
                store.put(KEY, bytes(2_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in files] == [CONTENT]

    def test_what_a_killed_process_left_behind_is_no_object(
        self, store: ObjectStore, tmp_path: Path
    ) -> None:
        store.put(KEY, CONTENT)
        (tmp_path / "new" / "objects" / "outbound" / ".unfinished").write_bytes(CONTENT[:5])
        assert everything_in(store) == {KEY: CONTENT}

    def test_only_the_owner_can_read_an_object(self, store: ObjectStore) -> None:
        store.put_once("once", CONTENT)
        store.put("replaced", CONTENT)
        modes = [Path(store.location(key)).stat().st_mode & 0o777 for key in ("once", "replaced")]
        assert modes == [0o600, 0o600]

    def test_a_root_that_is_no_folder_is_a_permanent_upload_failure(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(PipelineError, match="give a folder, not a file") as caught:
            FolderStore(tmp_path / "file").put_once("key", CONTENT)
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)


class AnswerLostStore(FolderStore):
    """Stores, then fails as if the network had swallowed the answer."""

    def create(self, key: str, content: bytes) -> bool:
        is_new = super().create(key, content)
        if key != KEY:
            return is_new
        raise PipelineError("timeout", cause=Cause.UPLOAD, is_transient=True, next_step="repeat")


class OverwritingStore(FolderStore):
    """Takes a conditional put for any other, as servers do that don't know If-None-Match."""

    def create(self, key: str, content: bytes) -> bool:
        self.put(key, content)
        return True


class DeceivingStore(FolderStore):
    """Says that the key is taken, and overwrites all the same."""

    def create(self, key: str, content: bytes) -> bool:
        is_new = super().create(key, content)
        self.put(key, content)
        return is_new


class GarblingStore(FolderStore):
    """Loses the last byte."""

    def create(self, key: str, content: bytes) -> bool:
        return super().create(key, content[:-1])


def test_a_put_whose_answer_was_lost_has_succeeded(tmp_path: Path) -> None:
    assert AnswerLostStore(tmp_path).put_once(KEY, CONTENT) is PutOutcome.ALREADY_THERE


def test_a_put_that_failed_over_other_bytes_still_fails(tmp_path: Path) -> None:
    FolderStore(tmp_path).put(KEY, OTHER_CONTENT)
    with pytest.raises(PipelineError, match="timeout"):
        AnswerLostStore(tmp_path).put_once(KEY, CONTENT)


def test_an_object_that_reads_back_differently_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="reads back with other bytes"):
        GarblingStore(tmp_path).put_once(KEY, CONTENT)


@pytest.mark.parametrize("kind", [OverwritingStore, DeceivingStore])
def test_a_store_that_breaks_the_promise_is_not_written_to(
    kind: type[FolderStore], tmp_path: Path
) -> None:
    store = kind(tmp_path)
    for _ in range(2):
        with pytest.raises(PipelineError, match="overwrites what a conditional put") as caught:
            store.put_once(KEY, CONTENT)
        assert (caught.value.cause, caught.value.is_transient) == (Cause.UPLOAD, False)
        assert everything_in(store) == {}, "nothing is left behind, not even the probe"


class CountingStore(FolderStore):
    """Remembers what was put."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.created: list[str] = []

    def create(self, key: str, content: bytes) -> bool:
        self.created.append(key)
        return super().create(key, content)


def test_a_store_is_tried_once_before_the_first_put(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    for key in ("a", "b"):
        store.put_once(key, CONTENT)
    assert [key.partition("/")[0] for key in store.created] == ["doctor", "doctor", "a", "b"]


def test_what_somebody_else_put_under_any_name_is_listed_and_read(tmp_path: Path) -> None:
    for name in ("._a", ".DS_Store", "a\n", "a.filepart", "b c"):
        (tmp_path / name).write_bytes(CONTENT)
    store = FolderStore(tmp_path)
    assert set(everything_in(store)) == {"._a", ".DS_Store", "a\n", "a.filepart", "b c"}


def test_a_url_opens_the_store_it_names() -> None:
    folder = open_object_store("file:///data/a b#c%20d?e")
    assert isinstance(folder, FolderStore)
    assert folder.root == Path("/data/a b#c%20d?e")
    for url, expected in {
        "s3://bucket": "s3://bucket/key",
        "s3://bucket/": "s3://bucket/key",
        "s3://bucket/a/b/": "s3://bucket/a/b/key",
    }.items():
        store = open_object_store(url)
        assert isinstance(store, S3Store)
        assert store.location("key") == expected


@pytest.mark.parametrize(
    "bucket",
    [
        "arn:aws:s3:us-east-1:000000000000:accesspoint/vye",
        "arn:aws-us-gov:s3:us-gov-west-1:000000000000:accesspoint:vye",
        "arn:aws:s3-outposts:us-east-1:000000000000:outpost/op-01/accesspoint/vye",
        "vye-0a1b2c3d4e-s3alias",
    ],
)
def test_an_access_point_is_a_bucket(bucket: str) -> None:
    for url, expected in {f"s3://{bucket}": "key", f"s3://{bucket}/a/b": "a/b/key"}.items():
        store = open_object_store(url)
        assert isinstance(store, S3Store)
        assert store.bucket == bucket
        assert store.location("key") == f"s3://{bucket}/{expected}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://AKIA0000:s3cr3t@bucket/a", "credentials don't belong"),
        ("s3://bucket/a s3cr3t", "a blank"),
        ("s3:// s3cr3t", "a blank"),
        ("s3://bucket s3cr3t/a", "a blank"),
        ("s3://s3cr3t:x/a", "file:///folder or s3://bucket/prefix"),
    ],
)
def test_blanks_and_credentials_in_a_url_are_refused_and_not_repeated(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        open_object_store(url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "bucket", "/data", "file://data", "s3://", "s3:///a", "s3://b/../a", "ftp://host/a"]
)
def test_any_other_url_is_refused_with_what_would_do(url: str) -> None:
    with pytest.raises(UsageError, match="file:///folder or s3://bucket/prefix"):
        open_object_store(url)


def test_a_folder_store_never_imports_boto3(tmp_path: Path) -> None:
    program = (
        "import sys; from vye_pipeline.storage.stores import open_object_store; "
        "open_object_store(sys.argv[1]).put_once('key', b''); open_object_store('s3://bucket'); "
        "sys.exit('botocore' in sys.modules or 'boto3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, f"file://{tmp_path}"], check=True)


@pytest.mark.parametrize(
    "prefix", ["outbound/2025-01", "outbound/2025-01-03/f", "outbound/2025-01-03/x", "out", ""]
)
def test_a_listing_looks_into_no_folder_that_begins_otherwise(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, through = FolderStore(tmp_path), os.scandir
    read: list[str] = []
    days = [f"2025-0{month}-0{day}" for month in (1, 2) for day in (3, 4)]
    keys = [*(f"outbound/{day}/file" for day in days), "outbound/2025-01", "outbound-2/file"]
    for key in keys:
        store.put(key, CONTENT)

    def watched(folder: Path) -> object:
        read.append(Path(folder).name)
        return through(folder)

    monkeypatch.setattr(os, "scandir", watched)
    found = [one.key for one in store.list(prefix)]
    assert found == sorted(key for key in keys if key.startswith(prefix))
    assert ("2025-02-03" in read) == (prefix in {"out", ""})


def test_only_plain_files_are_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.put("inbound/plain", b"plain")
    folder = tmp_path / "store" / "inbound"
    (tmp_path / "outside").write_bytes(b"outside")
    os.mkfifo(folder / "pipe")  # reading one waits for a writer
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    assert [found.key for found in store.list("inbound/")] == ["inbound/plain"]
    for name in ("pipe", "link", "gone"):
        with pytest.raises(ObjectMissing):
            store.get(f"inbound/{name}")
