"""Who a profile is: from a table, and from MPI over TLS with all that it may answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from vye_pipeline.errors import Cause, PipelineError, UsageError
from vye_pipeline.records import KINDS, VERIFICATIONS
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.identities import (
    DECEASED,
    IDENTITY_THEFT,
    UNKNOWN,
    Identity,
    SsnDigest,
)
from vye_pipeline.vye_database.mpi import RETRIES, Mpi, open_mpi
from vye_pipeline_tests.integration.production_shape import (
    GOLDEN,
    GOLDEN_DAY,
    SENT_AT,
    assert_golden,
    prepare_golden,
    rows_of,
)
from vye_pipeline_tests.integration.rehearsal import Rehearsal
from vye_pipeline_tests.integration.stand_in_kms import StandInKms
from vye_pipeline_tests.integration.stand_in_mpi import (
    CUT,
    NOBODY,
    Certificates,
    StandInMpi,
    acknowledged,
    found,
)

pytestmark = pytest.mark.long

ICN, SSN, ANOTHER = "1000000000V100000", "000100000", "1000007919V100001"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">&b;</env:Envelope>'
)
FILE_READER = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b'<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">&a;</env:Envelope>'
)

NO_ANSWERS: tuple[bytes | int, ...] = (
    acknowledged("AR", "Environment Database Error"),
    acknowledged("AE", "Internal System Error"),
    acknowledged("XX", "Who knows"),
    found(ICN, SSN).replace(b"urn:hl7-org:v3", b"urn:hl7-org:v2"),
    found(ICN, SSN).replace(b"vaww.oed.oit.va.gov", b"example.org"),
    found(ICN, SSN).replace(b'code="OK"', b'code="QE"'),
    found(ICN, SSN)[:-40],
    BOMB,
    FILE_READER,
    b"<html>sign in</html>",
    b"",
    302,
    401,
    404,
    429,
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def mpi(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInMpi]:
    """A stand-in MPI that knows the golden people; this machine trusts its authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _: None)
    people = {
        row["icn"]: row["ssn"]
        for row in rows_of(GOLDEN / "input" / "mpi_identities.csv")
        if row["ssn"] != "\\N"
    }
    with StandInMpi(certificates, people).serving() as server:
        yield server


def ask(mpi: StandInMpi, *icns: str) -> dict[str, Identity]:
    client = mpi.certificates.client
    return Mpi(mpi.url, client, client).ask(icns)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, Identity(SSN)),
        (found(ANOTHER, SSN), Identity(is_ambiguous=True)),
        (found(ANOTHER, SSN, prior=ICN), Identity(SSN)),
        (found(ICN, SSN, also="000100001"), Identity(is_ambiguous=True)),
        (found(ICN, ""), UNKNOWN),
        (acknowledged("AE", "Multiple Matches Found"), Identity(is_ambiguous=True)),
        (acknowledged("AE", NOBODY), UNKNOWN),
        (
            found(ICN, SSN, extra='<deceasedTime value="20200101"/>'),
            Identity(SSN, notes=(DECEASED,)),
        ),
        (
            found(ICN, SSN, confidentiality="ID_THEFT^TRUE"),
            Identity(SSN, notes=(IDENTITY_THEFT,)),
        ),
        (found(ICN, SSN, confidentiality="ID_THEFT^FALSE"), Identity(SSN)),
    ],
)
def test_what_mpi_says_of_somebody(mpi: StandInMpi, answer: bytes | None, said: Identity) -> None:
    mpi.fault = lambda _icn, _times: answer
    assert ask(mpi, ICN) == {ICN: said}
    assert mpi.asked == [ICN]


@pytest.mark.parametrize(
    "answer",
    NO_ANSWERS,
    ids=lambda answer: str(answer)[:40] if isinstance(answer, int) else None,
)
def test_what_is_no_answer_is_never_taken_for_unknown(mpi: StandInMpi, answer: bytes | int) -> None:
    mpi.fault = lambda _icn, _times: answer
    with pytest.raises(PipelineError, match="MPI can't be asked") as caught:
        ask(mpi, ICN)
    assert caught.value.cause is Cause.SOURCE
    assert ICN not in str(caught.value)
    assert SSN not in str(caught.value)
    assert mpi.asked == [ICN], "nothing but a lost connection and 5xx is tried again"


@pytest.mark.parametrize("answer", [500, 503, CUT])
def test_lost_connections_and_server_errors_are_tried_again(
    mpi: StandInMpi, answer: bytes | int
) -> None:
    mpi.fault = lambda _icn, times: answer if times <= RETRIES else None
    assert ask(mpi, ICN) == {ICN: Identity(SSN)}
    mpi.fault = lambda _icn, _times: answer
    with pytest.raises(PipelineError) as caught:
        ask(mpi, ICN)
    assert (caught.value.cause, caught.value.is_transient) == (Cause.SOURCE, True)


def test_a_slow_mpi_is_a_failure_of_the_source(
    mpi: StandInMpi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vye_pipeline.vye_database.mpi.READ_SECONDS", 0.05)
    released = Event()
    mpi.fault = lambda _icn, _times: 500 if released.wait(5) else None
    with pytest.raises(PipelineError, match="in time") as caught:
        ask(mpi, ICN)
    released.set()
    assert caught.value.is_transient


def test_nobody_is_asked_for_what_cant_be_an_icn(mpi: StandInMpi) -> None:
    assert ask(mpi, "invalid-icn^NI") == {"invalid-icn^NI": UNKNOWN}
    assert mpi.asked == []


def test_certificates_are_checked_both_ways(
    mpi: StandInMpi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers = Certificates.make(tmp_path / "strangers")
    with pytest.raises(PipelineError) as caught:
        Mpi(mpi.url, strangers.client, strangers.client).ask([ICN])
    assert caught.value.cause is Cause.SOURCE
    by_name = f"https://localhost.localdomain:{urlsplit(mpi.url).port}/"
    with pytest.raises(PipelineError):
        Mpi(by_name, mpi.certificates.client, mpi.certificates.client).ask([ICN])
    monkeypatch.setenv("SSL_CERT_FILE", str(strangers.authority))
    with pytest.raises(PipelineError, match="not accepted"):
        ask(mpi, ICN)
    assert mpi.asked == []
    with pytest.raises(UsageError, match="VYE_IDENTITY_CLIENT_CERT"):
        Mpi(mpi.url, strangers.client, mpi.certificates.client.parent / "none").ask([ICN])
    with pytest.raises(UsageError, match="VYE_IDENTITY_CLIENT_CERT"):
        open_mpi(mpi.url, None, None, "P")


@pytest.fixture
def production(kms: StandInKms, mpi: StandInMpi, tmp_path: Path) -> Settings:
    """The golden day in production's shape, identities from MPI."""
    client = mpi.certificates.client
    return prepare_golden(tmp_path).model_copy(
        update={
            "identity_url": mpi.url,
            "identity_client_cert": client,
            "identity_client_key": client,
        }
    )


def test_the_golden_day_with_mpi_makes_the_golden_files(
    production: Settings, mpi: StandInMpi
) -> None:
    rehearsal = Rehearsal.open(production)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    assert_golden(rehearsal)
    assert len(mpi.asked) == len(set(mpi.asked)), "each is asked for once over the three kinds"


def test_an_outage_of_mpi_fails_the_day_and_the_next_try_delivers_it(
    production: Settings, mpi: StandInMpi
) -> None:
    rehearsal = Rehearsal.open(production)
    mpi.fault = lambda _icn, _times: 401 if len(mpi.asked) > 40 else None
    failures = rehearsal.egress(GOLDEN_DAY, now=SENT_AT)
    assert [failure.cause for failure in failures] == [Cause.SOURCE] * len(KINDS)
    assert rehearsal.lines() == []
    assert all(rehearsal.pipeline.ledger.file(GOLDEN_DAY, kind) is None for kind in KINDS)
    mpi.fault = lambda _icn, _times: None
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    assert_golden(rehearsal)


def test_what_mpi_says_is_recorded_of_a_record_without_the_ssn(
    production: Settings, mpi: StandInMpi
) -> None:
    rehearsal = Rehearsal.open(production)
    theft, double = sorted(mpi.people)[5:7]
    answers = {
        theft: found(theft, mpi.people[theft], confidentiality="ID_THEFT^TRUE"),
        double: acknowledged("AE", "Multiple Matches Found"),
    }
    mpi.fault = lambda icn, _times: answers.get(icn)
    assert rehearsal.egress(GOLDEN_DAY, now=SENT_AT) == []
    asked = set(mpi.asked)
    rows = [
        (row.field, row.code, bool(row.is_quarantining))
        for kind in KINDS
        for row in rehearsal.pipeline.ledger.findings(GOLDEN_DAY, kind).itertuples()
        if row.code in {"ambiguous", "identity_theft", "required"} and row.field == "ssn"
    ]
    assert (("ssn", "identity_theft", False) in rows) == (theft in asked)
    assert (("ssn", "ambiguous", True) in rows) == (double in asked)
    assert {theft, double} & asked


def digest_settings(settings: Settings, rehearsal: Rehearsal, *, wrong: bool) -> Settings:
    """Digests every profile's SSN as VYE would, or another one."""
    how = SsnDigest(b"salt", 16, 8, 1, 32)
    people = {row["icn"]: row["ssn"] for row in rows_of(GOLDEN / "input" / "mpi_identities.csv")}
    with rehearsal.pipeline.vye.engine().begin() as connection:
        for icn, ssn in people.items():
            connection.execute(
                text("UPDATE vye_user_profiles SET ssn_digest = :digest WHERE icn = :icn"),
                {"icn": icn, "digest": how.of(f"{ssn}0" if wrong else ssn)},
            )
    return settings.model_copy(
        update={
            "ssn_digest_salt": SecretStr(b"salt".hex()),
            "ssn_digest_scrypt": "16,8,1,32",
        }
    )


@pytest.mark.parametrize("wrong", [False, True])
def test_answers_are_held_to_what_vye_has_digested(
    kms: StandInKms, tmp_path: Path, wrong: bool
) -> None:
    settings = prepare_golden(tmp_path)
    settings = digest_settings(settings, Rehearsal.open(settings), wrong=wrong)
    failures = Rehearsal.open(settings).egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert [failure.cause for failure in failures] == ([Cause.SOURCE] if wrong else [])
    assert all("digested" in failure.what for failure in failures)


def test_a_digest_is_scrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SsnDigest.from_settings("00ff", "16384,8,1,16")
    assert made is not None
    expected = hashlib.scrypt(SSN.encode(), salt=b"\x00\xff", n=16384, r=8, p=1, dklen=16)
    assert made.of(SSN) == expected
    for salt, parameters in (("xyz", "16,8,1,32"), ("00", "3,8,1,32"), ("00", "16,8")):
        with pytest.raises(UsageError, match="VYE_SSN_DIGEST"):
            SsnDigest.from_settings(salt, parameters)


def test_productions_shape_without_a_source_says_what_to_set(
    kms: StandInKms, tmp_path: Path
) -> None:
    settings = prepare_golden(tmp_path).model_copy(update={"identity_url": None})
    (failure,) = Rehearsal.open(settings).egress(GOLDEN_DAY, VERIFICATIONS, now=SENT_AT)
    assert failure.cause is Cause.SOURCE
    assert "VYE_IDENTITY_URL" in failure.next_step
