"""A database's URL: over TCP only what can't be read on the way, and no error quotes it."""

from __future__ import annotations

import pytest

from vye_pipeline.cleartext import require_https
from vye_pipeline.errors import Cause, UsageError
from vye_pipeline.sql.address import PROTECTED, address
from vye_pipeline.sql.engines import Database

HALVES = ("half1", "half2")


def read(url: str, *, allow_cleartext: bool = False) -> dict[str, object]:
    return dict(address(url, "the ledger", "VYE_LEDGER_URL", allow_cleartext=allow_cleartext).query)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@db.example/ledger",
        "postgresql://u@10.0.0.7:5432/ledger",
        "postgresql:///ledger?host=db.example",
        "postgresql:///ledger?host=/tmp&host=db.example",
        "postgresql://u@localhost/ledger?hostaddr=10.0.0.7",
        "postgresql:///ledger?service=ledger",
        "postgresql://u@db.example/ledger?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    ],
)
def test_over_the_network_tls_is_verified_and_passwords_are_not_sent(url: str) -> None:
    assert PROTECTED.items() <= read(url).items()
    assert not PROTECTED.items() <= read(url, allow_cleartext=True).items()


@pytest.mark.parametrize(
    "option", ["sslmode=require", "require_auth=password", "gssencmode=prefer"]
)
def test_a_url_cannot_ask_for_less(option: str) -> None:
    with pytest.raises(UsageError, match=option.partition("=")[0]):
        read(f"postgresql://u@db.example/ledger?{option}")
    assert read(f"postgresql://u@db.example/ledger?{option}", allow_cleartext=True)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///ledger",
        "postgresql:///ledger?host=/run/postgresql",
        "postgresql://u:p@localhost/ledger",
        "postgresql://u@127.0.0.1:5433/ledger",
        "postgresql://u@[::1]/ledger",
        "sqlite:////data/ledger.db",
    ],
)
def test_on_this_machine_nothing_is_asked(url: str) -> None:
    assert not PROTECTED.keys() & read(url).keys()


def test_a_host_of_the_environment_is_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert PROTECTED.items() <= read("postgresql:///ledger").items()
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.7")
    assert PROTECTED.items() <= read("postgresql://localhost/ledger").items()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{'@'.join(HALVES)}@host/db",
        f"postgresql://u:{':'.join(HALVES)}@x@host:1/db",
        f"postgresql://u:{'/'.join(HALVES)}@{HALVES[1]}:half@host/db",
        f"postgresql://u:p@{HALVES[1]}:{HALVES[0]}@host/db",
        f"mysql://u:{HALVES[0]}@host/db",
        HALVES[0],
    ],
)
def test_no_part_of_a_password_is_in_an_error(url: str) -> None:
    database = Database("the ledger", "VYE_LEDGER_URL", url, Cause.DEFECT)
    with pytest.raises(UsageError, match="VYE_LEDGER_URL") as refused:
        database.engine()
    said = f"{refused.value!r}{refused.value.__context__!r}{database!r}"
    assert not [half for half in HALVES if half in said]


@pytest.mark.parametrize("url", ["http://s3.example", "http://10.0.0.7:9000", "ftp://s3.example"])
def test_a_store_on_another_machine_needs_https(url: str) -> None:
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL_S3"):
        require_https(url, "S3", "AWS_ENDPOINT_URL_S3", allow_cleartext=False)
    require_https(url, "S3", "AWS_ENDPOINT_URL_S3", allow_cleartext=True)


@pytest.mark.parametrize("url", ["https://s3.example", "http://127.0.0.1:9", "http://[::1]:9"])
def test_https_and_this_machine_are_fine(url: str) -> None:
    require_https(url, "S3", "AWS_ENDPOINT_URL_S3", allow_cleartext=False)
