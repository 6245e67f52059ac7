"""Production's shape, KMS and MPI failing in every documented way: nothing personal is left behind.

It may be in VYE's database, in the files for BDN and in the encrypted snapshots, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from vye_pipeline.orchestration.runs import Session
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings, load_settings
from vye_pipeline_tests.integration.conftest import kms
from vye_pipeline_tests.integration.production_shape import (
    GOLDEN,
    GOLDEN_DAY,
    prepare_golden,
    rows_of,
)
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.integration.stand_in_kms import Refused, StandInKms
from vye_pipeline_tests.integration.stand_in_mpi import CUT, StandInMpi, acknowledged
from vye_pipeline_tests.integration.test_identities import NO_ANSWERS, certificates, mpi

__all__ = ["certificates", "kms", "mpi"]

pytestmark = pytest.mark.long

CUT_CONNECTION = "cut"
REFUSALS = (
    "ThrottlingException",
    "AccessDeniedException",
    "DisabledException",
    "ExpiredTokenException",
    "InvalidCiphertextException",
    "KMSInternalException",
    "KMSInvalidStateException",
    "NotFoundException",
    "UnrecognizedClientException",
    CUT_CONNECTION,
)
ANSWERS = (*NO_ANSWERS, 500, 503, CUT, acknowledged("AE", "Multiple Matches Found"))
ANSWERED_FIRST = 60  # requests, so that a failing run holds values in the clear


@pytest.fixture
def planted() -> set[bytes]:
    """Personal values of the golden day that stand out: SSNs, accounts, e-mail, streets, ICNs."""
    folder = GOLDEN / "input"
    ssns = {row["ssn"] for row in rows_of(folder / "mpi_identities.csv")}
    changes = rows_of(folder / "vye_direct_deposit_changes.csv")
    addresses = rows_of(folder / "vye_address_changes.csv")
    values = ssns | {row[name] for row in changes for name in ("acct_no", "email")}
    values |= {row["address1"] for row in addresses} | {
        row["icn"] for row in rows_of(folder / "vye_user_profiles.csv")
    }
    known = {value.encode() for value in values if len(value) > 8}
    assert len(known) > 1_000
    return known


@pytest.fixture
def production(
    kms: StandInKms, mpi: StandInMpi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The golden day in production's shape, identities from MPI, as a command's environment."""
    settings = prepare_golden(tmp_path)
    client = str(mpi.certificates.client)
    for name, value in {
        "LOCAL_DIR": str(settings.folder),
        "START_DATE": str(settings.start_date),
        "COLUMN_KMS_KEY_ID": settings.column_kms_key_id or "",
        "IDENTITY_URL": mpi.url,
        "IDENTITY_CLIENT_CERT": client,
        "IDENTITY_CLIENT_KEY": client,
    }.items():
        monkeypatch.setenv(f"VYE_{name}", value)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return settings


NAMES = [kind.name for kind in KINDS]


@pytest.fixture
def session(production: Settings) -> Iterator[Session]:
    """Dagster, opened once for many runs of the day."""
    with Session(load_settings()) as opened:
        yield opened


def egress(session: Session) -> tuple[int, str]:
    """Runs the day as a command does: how many problems there are, and all that is printed."""
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        problems = session.egress(GOLDEN_DAY, NAMES).problems
    return len(problems), "\n".join([printed.getvalue(), *problems])


def assert_nothing_planted(settings: Settings, printed: str, planted: set[bytes]) -> None:
    """Looks into all that a run has left, but VYE's own database and the files for BDN."""
    kept = [
        path.read_bytes()
        for path in settings.folder.rglob("*")
        if path.is_file()
        and not path.relative_to(settings.folder).parts[0].startswith(("vye.db", "objects"))
    ]
    everything = b"\n".join([printed.encode(), *kept])
    assert [value for value in planted if value in everything] == []


def test_a_failing_kms_leaves_nothing_personal_behind(
    production: Settings,
    session: Session,
    kms: StandInKms,
    planted: set[bytes],
    waits: list[float],
) -> None:
    everything = ""
    for refusal in REFUSALS:
        limit = len(kms.calls) + ANSWERED_FIRST

        def fail(number: int, refusal: str = refusal, limit: int = limit) -> bool:
            if number <= limit:
                return False
            if refusal == CUT_CONNECTION:
                return True
            raise Refused(refusal)

        kms.fault = fail
        problems, printed = egress(session)
        assert (problems and "KMS" in printed) or refusal == "InvalidCiphertextException"
        everything += printed
    assert_nothing_planted(production, everything, planted)
    kms.fault = lambda _: False
    problems, printed = egress(session)
    assert not problems, printed
    assert_nothing_planted(production, printed, planted)


def test_a_failing_mpi_leaves_nothing_personal_behind(
    production: Settings,
    session: Session,
    mpi: StandInMpi,
    planted: set[bytes],
    waits: list[float],
) -> None:
    everything = ""
    for answer in ANSWERS:
        limit = len(mpi.asked) + ANSWERED_FIRST

        def fail(
            _icn: str, _times: int, answer: bytes | int = answer, limit: int = limit
        ) -> bytes | int | None:
            return answer if len(mpi.asked) > limit else None

        mpi.fault = fail
        problems, printed = egress(session)
        assert problems, answer
        everything += printed
    assert_nothing_planted(production, everything, planted)
    mpi.fault = lambda _icn, _times: None
    problems, printed = egress(session)
    assert not problems, printed
    assert_nothing_planted(production, printed, planted)


def test_a_day_of_unreadable_rows_leaves_nothing_personal_behind(
    production: Settings, session: Session, planted: set[bytes]
) -> None:
    rehearsal = Rehearsal.open(production)
    for table, column in (("vye_user_infos", "stub_nm"), ("vye_address_changes", "city")):
        rehearsal.change(f"UPDATE {table} SET {column}_ciphertext = 'AAAA' WHERE id % 20 = 0")
    problems, printed = egress(session)
    assert not problems, printed
    assert_nothing_planted(production, printed, planted)
