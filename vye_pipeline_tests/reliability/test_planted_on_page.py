"""A day of 80,000 veterans, failures included: nothing personal is where people look.

What is written beside VYE's database, the files for BDN and the encrypted snapshots is searched for
each of 250,000 planted values, and for what can be made of an SSN without a key.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from hashlib import md5, sha1, sha256
from io import StringIO
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import pandas as pd
import pytest
from sqlalchemy import text

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.cli.commands import run
from vye_pipeline.context import Context
from vye_pipeline.orchestration.resources import Clock
from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS, kind_named
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline.simulation.stand_in_bdn import Faults, answer_partition
from vye_pipeline_tests.bench.pipeline import DAY, NEVER_ISSUED, after_cut_off, fill
from vye_pipeline_tests.integration.rehearsal import Rehearsal, at

pytestmark = pytest.mark.long

USERS = 80_000
ALLOWED = ("vye.db", "objects", "snapshots")  # of the folder
# Not within another number: the fraction of a time may have any digits.
NUMBERS = re.compile(rb"(?<![\d.])(9000\d{5}|6600\d{5}|770000\d{5}|50000\d{5}V7)")
# Values that nothing else looks like: the bench's file numbers and ICNs are zeros, as many others.
PLANTED = (
    "UPDATE vye_user_infos SET file_number = CAST(660000000 + id AS text)",
    "UPDATE vye_user_profiles SET icn = '5' || icn || 'V7'",
    "UPDATE mpi_identities SET icn = '5' || icn || 'V7'",
)
WORDS = re.compile(rb"[0-9A-Za-z+/=]{12,64}")
STREET = re.compile(rb"\d+ MAIN ST|A VETER|veteran@example")
FAULTS = Faults(reject=50, drop=50, garble=50)


def planted() -> tuple[set[bytes], set[bytes]]:
    """Returns SSNs, file numbers, accounts and ICNs; and what can be made of an SSN."""
    ids = range(1, USERS + 1)
    ssns = [str(NEVER_ISSUED + one).encode() for one in ids]
    forms = (b"66%07d", b"77%09d", b"5%09dV7")
    numbers = {*ssns, *(form % one for form in forms for one in ids)}
    digests = (md5, sha1, sha256)
    derived = {one(ssn).hexdigest().encode() for one in digests for ssn in ssns}
    return numbers, derived | {b64encode(ssn) for ssn in ssns} | {ssn[::-1] for ssn in ssns}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All that a day leaves where people look, by name: files, and what commands print."""
    settings = load_settings(
        local_dir=tmp_path_factory.mktemp("planted"), start_date=DAY, end_date=DAY
    )
    fill(settings, USERS)
    with Context(settings).vye.engine().begin() as connection:
        for statement in PLANTED:
            connection.execute(text(statement))
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        _day(settings)
    return {"printed": printed.getvalue().encode(), **dict(_files(settings.folder))}


def _day(settings: Settings) -> None:
    """Runs a day in Dagster: a refused upload and its repair, BDN's answers, the reconciliation."""
    rehearsal = Rehearsal.open(settings)
    now = [after_cut_off(DAY)]
    names = [kind.name for kind in KINDS]
    with Session(settings, rehearsal.pipeline, Clock(lambda: now[0])) as session:
        rehearsal.outage.refused = frozenset(
            {outbound_key(kind_named("direct_deposit_changes"), DAY)}
        )
        assert session.egress(DAY, names).problems
        rehearsal.outage.refused = frozenset()
        assert session.egress(DAY, names).problems == []
        answer_partition(rehearsal.outage, DAY, FAULTS, received_at=at(DAY, hours=1))
        now[0] = at(DAY, hours=2)
        session.reconcile(DAY, names)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LOCAL_DIR", "START_DATE", "END_DATE"):
            patch.setenv(f"VYE_{name}", str(getattr(settings, name.lower())))
        for command in ("status --json", "explain {day}", "affected --date {day}", "report"):
            run(command.format(day=DAY).split())
        for name in ("csv", "xlsx"):
            run(["affected", f"--{name}", str(settings.folder / f"affected.{name}")])
        days = ["--from", str(DAY), "--to", str(DAY)]
        file = settings.folder / "reconciliation.parquet"
        run(["export", "reconciliation", *days, "--out", str(file)])


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields what lies in a folder but where it may be, unpacked where it is packed."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if not path.is_file() or place.parts[0].startswith(ALLOWED):
            continue
        if path.suffix == ".parquet":
            yield str(place), pd.read_parquet(path).to_csv().encode()
        elif is_zipfile(path):
            with ZipFile(path) as archive:
                for name in archive.namelist():
                    yield f"{place}/{name}", archive.read(name)
        else:
            yield str(place), path.read_bytes()


def test_what_is_looked_at_is_what_people_look_at(written: dict[str, bytes]) -> None:
    names = " ".join(written)
    for wanted in ("report.html", "ledger.db", "dagster/", "affected.csv", "affected.xlsx/"):
        assert wanted in names
    assert len(written["affected.csv"].splitlines()) > 100
    assert b"AccessDenied" in written["report.html"]


def test_no_planted_value_is_in_it(written: dict[str, bytes]) -> None:
    numbers, derived = planted()
    assert len(numbers) > 200_000
    found = {
        f"{name}: {kind}"
        for name, content in written.items()
        for kind, is_there in (
            ("a number", not numbers.isdisjoint(NUMBERS.findall(content))),
            ("a derived form", not derived.isdisjoint(WORDS.findall(content))),
            ("a name, address or e-mail", STREET.search(content) is not None),
        )
        if is_there
    }
    assert found == set()


def test_the_search_finds_what_is_planted(written: dict[str, bytes]) -> None:
    numbers, derived = planted()
    ssn = str(NEVER_ISSUED + 777).encode()
    page = written["report.html"]
    assert not numbers.isdisjoint(NUMBERS.findall(page + b"x" + ssn + b"y"))
    for made in (b64encode(ssn), sha256(ssn).hexdigest().encode()):
        assert not derived.isdisjoint(WORDS.findall(page + b'"' + made + b'"'))
