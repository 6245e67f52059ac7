"""The stand-in BDN does to lines what it is told, and the pipeline finds out exactly that."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

import vye_pipeline.ledger
from vye_pipeline.bdn.acknowledgement import (
    Acknowledgement,
    parse_acknowledgement,
    render_acknowledgement,
)
from vye_pipeline.bdn.disposition import Disposition
from vye_pipeline.bdn.file_names import acknowledgement_key, file_name, inbound_prefix, outbound_key
from vye_pipeline.errors import UsageError
from vye_pipeline.reconciliation.diff import compare
from vye_pipeline.records import KINDS, Kind, kind_named
from vye_pipeline.records.statuses import Status
from vye_pipeline.simulation.stand_in_bdn import (
    REFUSAL,
    REJECTIONS,
    Answer,
    Faults,
    answer,
    answer_partition,
)
from vye_pipeline.storage.folder_store import FolderStore

DAY = date(2025, 4, 7)
RECEIVED_AT = datetime(2025, 4, 7, 14, 30, tzinfo=UTC)
LATER = datetime(2025, 4, 9, 14, 30, tzinfo=UTC)
VERIFICATIONS = kind_named("verifications")
LINES = {
    "verifications": "DOE    {0:02}900123420250407318AW\n",
    "direct_deposit_changes": "318,A,9001234{0:02},9001234{0:02},JANE DOE            ,"
    "555-555-0100, ,jane@example.com,12345678,C,12345678,0,FIRST BANK,555-555-0199\n",
    "address_changes": "318,A,9001234{0:02},9001234{0:02},JANE DOE            ,1 MAIN ST, , , ,"
    "SPRINGFIELD,IL    ,00000\n",
}
FEW = st.integers(min_value=0, max_value=4)
LINE_FAULTS = st.builds(Faults, reject=FEW, drop=FEW, garble=FEW, late=FEW)


def sent_file(kind: Kind, line_count: int) -> bytes:
    return "".join(LINES[kind.name].format(number) for number in range(line_count)).encode()


def answered(kind: Kind, faults: Faults, disposition: Disposition = Disposition.FULL) -> Answer:
    return answer(
        kind,
        DAY,
        sent_file(kind, 20),
        received_at=RECEIVED_AT,
        faults=faults,
        random=default_rng(7),
        disposition=disposition,
    )


def statuses(kind: Kind, acknowledgements: list[Acknowledgement]) -> Counter[str]:
    difference = compare(kind, sent_file(kind, 20), acknowledgements, is_overdue=False)
    assert difference.unexpected.empty
    return Counter(difference.lines["status"])


def in_store(store: FolderStore, kind: Kind, sequence: int = 1) -> Acknowledgement:
    key = acknowledgement_key(kind, DAY, sequence)
    return parse_acknowledgement(store.get(key), file_name=file_name(kind, DAY), place=key)


def inbound_keys(store: FolderStore) -> list[str]:
    return [found.key for found in store.list(inbound_prefix(DAY))]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store with a day's three files, of 6 lines each."""
    store = FolderStore(tmp_path)
    for kind in KINDS:
        store.put(outbound_key(kind, DAY), sent_file(kind, 6))
    return store


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), LINE_FAULTS)
def test_each_fault_becomes_its_status_and_every_other_line_is_acknowledged(
    kind: Kind, faults: Faults
) -> None:
    given_answer = answered(kind, faults)
    acknowledgements = [given_answer.first]
    if given_answer.supplement is not None:
        acknowledgements.append(given_answer.supplement)
    expected = {
        Status.REJECTED: faults.reject,
        Status.MISSING: faults.drop,
        Status.MISMATCHED: faults.garble,
        Status.ACKNOWLEDGED: 20 - faults.reject - faults.drop - faults.garble,
    }
    assert statuses(kind, acknowledgements) == Counter(expected)
    assert (given_answer.supplement is None) == (faults.late == 0)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), LINE_FAULTS)
def test_the_pipeline_can_read_every_answer(kind: Kind, faults: Faults) -> None:
    for one in (answered(kind, faults).first, answered(kind, faults).supplement):
        if one is not None:
            content = render_acknowledgement(one)
            read = parse_acknowledgement(content, file_name=file_name(kind, DAY), place="answer")
            assert render_acknowledgement(read) == content


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_lines_answered_late_are_pending_until_the_supplement(kind: Kind) -> None:
    first = answered(kind, Faults(late=3)).first
    assert statuses(kind, [first]) == {Status.PENDING: 3, Status.ACKNOWLEDGED: 17}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_garbling_leaves_the_identity_alone(kind: Kind) -> None:
    first = answered(kind, Faults(garble=4)).first
    lines = compare(kind, sent_file(kind, 20), [first], is_overdue=False).lines
    garbled = lines.loc[lines["status"] == Status.MISMATCHED, "fields"]
    assert len(garbled) == 4
    assert garbled.nunique() == 1
    assert garbled.iloc[0] not in kind.identity


def test_dropped_lines_are_not_counted_by_bdn() -> None:
    first = answered(VERIFICATIONS, Faults(drop=5)).first
    assert first.lines_received == 15
    assert first.details["line_number"].tolist() == list(range(1, 16))


def test_rejects_only_lists_no_line_that_is_accepted_as_sent() -> None:
    first = answered(VERIFICATIONS, Faults(reject=3), Disposition.REJECTS_ONLY).first
    assert (len(first.details), first.accepted_count, first.rejected_count) == (3, 17, 3)
    assert statuses(VERIFICATIONS, [first]) == {Status.REJECTED: 3, Status.ACKNOWLEDGED: 17}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_refused_file_has_all_its_lines_rejected(kind: Kind) -> None:
    first = answered(kind, Faults(refuse=True)).first
    assert first.reason_code == REFUSAL
    assert statuses(kind, [first]) == {Status.REJECTED: 20}


def test_the_same_generator_gives_the_same_answer() -> None:
    faults = Faults(reject=3, drop=2, garble=2, late=1)
    one, other = (render_acknowledgement(answered(VERIFICATIONS, faults).first) for _ in range(2))
    assert one == other


def test_more_faults_than_lines_are_refused_with_their_numbers() -> None:
    with pytest.raises(UsageError, match="verifications of 2025-04-07: 21 faults for 20 lines"):
        answered(VERIFICATIONS, Faults(reject=20, late=1))


def test_every_reason_that_it_gives_is_in_the_table_of_reason_codes() -> None:
    table = Path(vye_pipeline.ledger.__file__).parent / "reason_codes.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    codes = [row["code"] for row in rows]
    assert len(set(codes)) == len(codes)
    assert all(len(row) == 3 and all(row.values()) for row in rows)
    assert {REFUSAL}.union(*REJECTIONS.values()) <= set(codes)


def test_a_partition_s_files_are_each_answered_once(store: FolderStore) -> None:
    keys = answer_partition(store, DAY, Faults(), received_at=RECEIVED_AT)
    assert keys == [acknowledgement_key(kind, DAY) for kind in KINDS]
    before = [store.get(key) for key in keys]
    assert answer_partition(store, DAY, Faults(), received_at=LATER) == []
    assert [store.get(key) for key in keys] == before
    assert inbound_keys(store) == sorted(keys)


def test_a_partition_s_faults_are_spread_over_its_files(store: FolderStore) -> None:
    faults = Faults(reject=8, drop=2, late=3)
    answer_partition(store, DAY, faults, received_at=RECEIVED_AT)
    first = [in_store(store, kind) for kind in KINDS]
    assert sum(one.rejected_count for one in first) == 8
    assert sum(one.lines_received for one in first) == 18 - 2
    assert sum(len(one.details) for one in first) == 18 - 2 - 3


def test_what_was_left_open_is_answered_when_asked_again(store: FolderStore) -> None:
    answer_partition(store, DAY, Faults(late=2), received_at=RECEIVED_AT)
    left_open = [kind for kind in KINDS if in_store(store, kind).accepted_count < 6]
    keys = answer_partition(store, DAY, Faults(), received_at=LATER)
    assert keys == [acknowledgement_key(kind, DAY, 2) for kind in left_open]
    assert sum(in_store(store, kind, 2).accepted_count for kind in left_open) == 2
    assert {in_store(store, kind, 2).received_at for kind in left_open} == {LATER}
    assert answer_partition(store, DAY, Faults(), received_at=LATER) == []


def test_a_file_delivered_later_is_answered_later(store: FolderStore) -> None:
    store.delete(outbound_key(VERIFICATIONS, DAY))
    answer_partition(store, DAY, Faults(), received_at=RECEIVED_AT)
    assert acknowledgement_key(VERIFICATIONS, DAY) not in inbound_keys(store)
    store.put(outbound_key(VERIFICATIONS, DAY), sent_file(VERIFICATIONS, 6))
    keys = answer_partition(store, DAY, Faults(), received_at=LATER)
    assert keys == [acknowledgement_key(VERIFICATIONS, DAY)]


def test_an_empty_file_is_answered_too(store: FolderStore) -> None:
    store.put(outbound_key(VERIFICATIONS, DAY), b"")
    answer_partition(store, DAY, Faults(), received_at=RECEIVED_AT)
    assert in_store(store, VERIFICATIONS).lines_received == 0


def test_refusing_concerns_every_file_of_the_partition(store: FolderStore) -> None:
    answer_partition(store, DAY, Faults(refuse=True), received_at=RECEIVED_AT)
    assert {in_store(store, kind).disposition for kind in KINDS} == {Disposition.REFUSED}


@pytest.mark.parametrize(
    "faults", [Faults(reject=19), Faults(drop=19), Faults(garble=19), Faults(late=19)]
)
def test_faults_that_find_no_line_are_refused_and_nothing_is_answered(
    store: FolderStore, faults: Faults
) -> None:
    with pytest.raises(UsageError, match="1 of the faults find no unanswered line"):
        answer_partition(store, DAY, faults, received_at=RECEIVED_AT)
    assert inbound_keys(store) == []


def test_a_partition_without_delivered_files_can_not_be_answered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was delivered for 2025-04-07"):
        answer_partition(FolderStore(tmp_path), DAY, Faults(), received_at=RECEIVED_AT)
