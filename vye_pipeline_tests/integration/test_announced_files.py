"""A file is announced, put and receipted only as what the claims make of it in that moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.egress.as_claimed import render_upload_file
from vye_pipeline.egress.changes import FileChanged
from vye_pipeline.egress.claim import take_export_ready
from vye_pipeline.egress.deliver import (
    deliver,
    keep_upload_file,
    load_upload_file,
    make_upload_file,
)
from vye_pipeline.egress.export import load_export_ready
from vye_pipeline.errors import PipelineError
from vye_pipeline.records import VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline_tests.integration.rehearsal import DAYS, Rehearsal, at

IN_PRODUCTIONS_SHAPE = True


@pytest.fixture
def rehearsal(settings: Settings) -> Rehearsal:
    return Rehearsal.prepare(settings)


def test_a_file_of_which_a_line_was_overtaken_is_sent_only_when_rendered_anew(
    rehearsal: Rehearsal,
) -> None:
    pipeline, day, kind, now = rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[1], minutes=1)
    rehearsal.refuse(day)
    rehearsal.dawn()
    rehearsal.egress(day)
    before = load_export_ready(pipeline, day, kind)
    rendered = load_upload_file(pipeline, day, kind)
    rehearsal.dawn()
    rehearsal.egress(DAYS[1])
    rehearsal.refuse_nothing()
    with pytest.raises(PipelineError, match="changed since"):
        load_upload_file(pipeline, day, kind)
    with pytest.raises(PipelineError, match="changed since"):
        keep_upload_file(pipeline, day, kind, before, rendered)
    with pytest.raises(PipelineError, match="changed since"):
        deliver(pipeline, day, kind, rendered, now)
    assert not rehearsal.outage.list(outbound_key(kind, day))
    export = load_export_ready(pipeline, day, kind)
    content = make_upload_file(kind, export)
    keep_upload_file(pipeline, day, kind, export, content)
    receipt = deliver(pipeline, day, kind, content, now)
    assert receipt.line_count < rendered.count(b"\n")
    numbers = pipeline.ledger.claimed(day, kind)[1]["line_number"].dropna()
    assert sorted(numbers) == list(range(1, receipt.line_count + 1))
    assert set(content.splitlines()) < set(rendered.splitlines())


def test_a_file_is_announced_for_records_that_were_claimed_again_alike(
    rehearsal: Rehearsal,
) -> None:
    pipeline, day, kind, now = rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], minutes=1)
    rehearsal.dawn()
    before = take_export_ready(pipeline, day, kind, now)
    content = make_upload_file(kind, before)
    again = take_export_ready(pipeline, day, kind, now)
    assert again.claims_version > before.claims_version
    keep_upload_file(pipeline, day, kind, before, content)
    assert load_upload_file(pipeline, day, kind) == content
    rehearsal.correct("vye_user_infos", "stub_nm", "CHANGED")
    take_export_ready(pipeline, day, kind, now)
    with pytest.raises(PipelineError, match="changed since"):
        keep_upload_file(pipeline, day, kind, again, content)
    with pytest.raises(PipelineError, match="changed since"):
        deliver(pipeline, day, kind, content, now)
    assert not rehearsal.outage.list(outbound_key(kind, day))


def test_records_that_are_claimed_again_while_they_are_read_make_no_file(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, day, kind, now = rehearsal.pipeline, DAYS[0], VERIFICATIONS, at(DAYS[0], minutes=1)
    rehearsal.dawn()
    take_export_ready(pipeline, day, kind, now)
    rehearsal.correct("vye_user_infos", "stub_nm", "CHANGED")
    get = pipeline.snapshots.get

    def claimed_again(name: str) -> bytes:
        patching.undo()
        take_export_ready(pipeline, day, kind, now)
        return get(name)

    with monkeypatch.context() as patching:
        patching.setattr(pipeline.snapshots, "get", claimed_again)
        export = load_export_ready(pipeline, day, kind)
    assert export.claims_version == 1
    assert "CHANGED" not in set(export.records["stub_nm"]), "records and claims of one moment"
    with pytest.raises(FileChanged):
        keep_upload_file(pipeline, day, kind, export, make_upload_file(kind, export))
    content = render_upload_file(pipeline, day, kind).content
    assert b"CHANGED" in content


def test_a_receipt_is_written_only_for_the_file_that_is_announced(rehearsal: Rehearsal) -> None:
    ledger, day, now = rehearsal.pipeline.ledger, DAYS[0], at(DAYS[0], minutes=1)
    rehearsal.refuse(day)
    rehearsal.dawn()
    rehearsal.egress(day)
    file = ledger.file(day, VERIFICATIONS)
    assert file is not None
    with pytest.raises(PipelineError, match="have changed during their delivery"):
        ledger.deliver(replace(file, fingerprint="another"), VERIFICATIONS, now)
    assert ledger.receipt(day, VERIFICATIONS) is None
    assert ledger.deliver(file, VERIFICATIONS, now).fingerprint == file.fingerprint
