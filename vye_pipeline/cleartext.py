"""Nothing is sent in the clear, but to this machine itself, unless VYE_ALLOW_CLEARTEXT says so."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from vye_pipeline.errors import UsageError

HOW_TO_ALLOW = "or set VYE_ALLOW_CLEARTEXT=1 where the network itself is encrypted"


def is_this_machine(host: str) -> bool:
    """Says whether a host is a socket's path or an address that leads back to this machine."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_https(url: str, what: str, variable: str, *, allow_cleartext: bool) -> None:
    """Refuses an address that is spoken to over http.

    Raises:
        UsageError: it is; names the variable, not the address.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or allow_cleartext or is_this_machine(parts.hostname or ""):
        return
    raise UsageError(
        f"{what} would be spoken to in the clear: give {variable} https://…, {HOW_TO_ALLOW}"
    )
