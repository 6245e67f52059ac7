"""Where a database is, and how it may be spoken to: over TCP with verified TLS and SCRAM only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from sqlalchemy.engine import URL, make_url

from vye_pipeline.cleartext import HOW_TO_ALLOW, is_this_machine
from vye_pipeline.errors import UsageError

# What libpq is told about a connection over TCP; a URL may say the same, and nothing weaker.
PROTECTED = {
    "sslmode": "verify-full",
    "require_auth": "scram-sha-256",
    "gssencmode": "disable",
}


def address(url: str, name: str, variable: str, *, allow_cleartext: bool) -> URL:
    """Reads a database's URL; one over TCP gets what keeps its connections from being read.

    Args:
        url: an SQLAlchemy URL.
        name: of the database, in error texts.
        variable: the setting that it comes from.
        allow_cleartext: leaves the URL as it is.

    Raises:
        UsageError: it is no URL of PostgreSQL or SQLite, or asks for less than that. The text holds
            nothing of the URL, which may hold a password in any of its parts.
    """
    read = _read(url)
    if read is None or "@" in (read.host or ""):
        raise UsageError(
            f"{variable} is no URL of {name}: give sqlite:///file or postgresql://…, with "
            "@ : / and % of a password written as %40 %3A %2F and %25"
        )
    if read.get_backend_name() == "sqlite" or allow_cleartext or not is_over_network(read):
        return read
    for option, value in PROTECTED.items():
        if option == "require_auth" and "sslcert" in read.query:
            continue  # a client's certificate takes the password's place
        if read.query.get(option, value) != value:
            raise UsageError(
                f"{variable} has {option} other than {value}: leave it out, {HOW_TO_ALLOW}"
            )
        read = read.update_query_dict({option: value})
    return read


def is_over_network(url: URL) -> bool:
    """Says whether PostgreSQL may be reached over more than a socket or this machine's loopback."""
    return "service" in url.query or not all(map(is_this_machine, _hosts(url)))


def _read(url: str) -> URL | None:
    try:
        read = make_url(_spelled_out(url))
        return read if read.get_backend_name() in ("sqlite", "postgresql") else None
    except Exception:  # noqa: BLE001 - SQLAlchemy has several, and each may quote the password
        return None


def _spelled_out(url: str) -> str:
    """Returns a URL as SQLAlchemy takes it.

    PostgreSQL's own clients also take `postgres://`, and several hosts in a row.
    """
    found = re.fullmatch(r"postgres(?:ql)?(\+\w+)?://([^/?#]*@)?([^/?#@]*)(/[^?]*)?(\?.*)?", url)
    if found is None:
        return url
    driver, user, hosts, path, query = (part or "" for part in found.groups())
    if "," in hosts:
        each = "&".join(f"host={host}" for host in hosts.split(","))
        hosts, query = "", f"{query}&{each}" if query else f"?{each}"
    return f"postgresql{driver}://{user}{hosts}{path}{query}"


def _hosts(url: URL) -> Iterator[str]:
    named = [url.host, *(_given(url, "host")), *(_given(url, "hostaddr"))]
    given = [one for one in named if one] or [os.environ.get("PGHOST", "")]
    for one in [*given, os.environ.get("PGHOSTADDR", "")]:
        yield from one.split(",")


def _given(url: URL, option: str) -> tuple[str, ...]:
    value = url.query.get(option, ())
    return (value,) if isinstance(value, str) else value
