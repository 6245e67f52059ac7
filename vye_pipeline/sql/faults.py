"""What a database's error means to a person: what happened, whether it passes, what to do.

A server's error has a code (https://www.postgresql.org/docs/current/errcodes-appendix.html). What
fails while a connection is made has none, and SQLite's have none either: those are known by their
words, of which nothing is passed on. Whatever the client's library raises is one of them.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

COMPARE = "compare the table with docs/vye-database.md"
CREATE = "check {variable}; `vye database create` makes VYE's tables"
POOLER = 'see docs/deployment.md, "Behind a pooler"'
CONFLICTS = ("ProcessInterrupts", "ProcessRecoveryConflictInterrupt", "ResolveRecoveryConflict")


@dataclass(frozen=True)
class Fault:
    """What a database's error means.

    Attributes:
        what: happened, completing "the database …".
        remedy: for a person; `{variable}` stands for the setting with the URL.
        is_transient: whether it may pass by itself.
    """

    what: str
    remedy: str
    is_transient: bool = False


AGAIN = "try again"
UNREACHABLE = Fault("can't be reached", "check {variable} and that the server runs", True)
LOST = Fault("the connection was lost", AGAIN, True)
STOPPING = Fault("the server is starting or stopping", AGAIN, True)
BUSY = Fault("has no connection free", "try again when it is less busy", True)
PASSWORD = Fault("refuses the login", "check user and password in {variable}")
NO_ROLE = Fault("there is no such role", "check the user in {variable}")
NO_DATABASE = Fault("there is no such database", "check the name in {variable}")
NOT_ADMITTED = Fault(
    "admits no connection of this host, role, database and encryption",
    "have its pg_hba.conf admit it, or set sslmode in {variable}",
)
TLS = Fault(
    "no TLS connection can be made that {variable} asks for",
    "check the server's certificate, and sslmode and sslrootcert in {variable}",
)
ANOTHER_HOST = Fault(
    f"{TLS.what}: the server's certificate is for another host name",
    "give {variable} the host name that is in the certificate",
)
UNKNOWN_AUTHORITY = Fault(
    f"{TLS.what}: the authority that signed the server's certificate is not known",
    "set sslrootcert in {variable} to that authority's certificate, a file that can be read",
)
NO_SCRAM = Fault(
    "asks for the password by another way than SCRAM",
    "have its pg_hba.conf say scram-sha-256, and the role's password set anew",
)
STANDBY = Fault("is a standby, and its recovery cancelled the query", AGAIN, True)
READ_ONLY = Fault("is read-only", "check the role and server in {variable}")
NO_LIBRARY_ANSWER = Fault("its client library gave up", "run vye doctor")

# While a connection is made, in the order in which they are looked for.
_CONNECTING = (
    ("unsupported startup parameter", Fault("is behind a pooler that refuses `options`", POOLER)),
    ("authentication method requirement", NO_SCRAM),
    ("password|SASL auth|auth failed|authentication failed", PASSWORD),
    ("no such user|role .* does not exist|is not permitted to log in", NO_ROLE),
    ("no such database|database .* does not exist|not currently accepting", NO_DATABASE),
    ("pg_hba.conf", NOT_ADMITTED),
    ("does not match host name", ANOTHER_HOST),
    ("certificate verify failed|root certificate file", UNKNOWN_AUTHORITY),
    ("SSL|certificate|TLS", TLS),
    ("too many|connection slots|no more connections|query_wait_timeout", BUSY),
    ("starting up|shutting down|recovery mode|not accepting connections", STOPPING),
    ("read-only|hot standby", Fault("no host is as target_session_attrs asks", "check {variable}")),
    ("translate host name|resolve host|getaddrinfo|name resolution",
     Fault("its host's name is not known", "check the host in {variable}, and the DNS", True)),
    ("login has been failing|cannot connect to server", UNREACHABLE),
    ("invalid (connection|URI|.* value)|invalid integer|invalid port|unrecognized",
     Fault("its URL has an option that its client doesn't know", "check {variable}")),
    ("FATAL|ERROR", Fault("refuses the connection", "look at the server's log, check {variable}")),
    ("", UNREACHABLE),
)  # fmt: skip
# By the code, or its class: the first two characters.
_CODES = {
    "08": LOST,
    "22021": Fault("holds text that is not in its encoding", "correct the row in the source"),
    "22P05": Fault("holds text that UTF-8 can't express", "correct the row in the source"),
    "23": Fault("refuses a row that contradicts others", "look at the database's log"),
    "25006": READ_ONLY,
    "25P03": Fault("ended a session that was idle", "raise its idle timeout for the role", True),
    "25P04": Fault("ended a transaction that took long", "raise transaction_timeout of the role"),
    "26000": Fault("is behind a pooler that mixes sessions up", POOLER, True),
    "42P05": Fault("is behind a pooler that mixes sessions up", POOLER, True),
    "28": PASSWORD,
    "28000": NOT_ADMITTED,
    "28P01": PASSWORD,
    "3D": NO_DATABASE,
    "40": Fault("another transaction was in the way", AGAIN, True),
    "42501": Fault(
        "the role may not do this, or row security would hide rows from it",
        "grant it what docs/deployment.md lists, BYPASSRLS among it",
    ),
    "42P01": Fault("a table is missing", CREATE),
    "3F000": Fault("a schema is missing", "check {variable} and the role's search_path"),
    "42703": Fault("a column is missing", COMPARE),
    "42": Fault("is not as docs/vye-database.md has it", COMPARE),
    "53": Fault("is out of resources", "try again when it is less busy", True),
    "53100": Fault("its disk is full", "make room, then try again"),
    "53300": BUSY,
    "55P03": Fault("another session holds a lock", AGAIN, True),
    "57": Fault("the server is stopping or cancelled the query", AGAIN, True),
    "57014": Fault("cancelled a query that took long", "raise statement_timeout of the role", True),
    "XX": Fault("is damaged, or has a defect", "look at the database's log"),
    "58": Fault("its server can't reach its files", "look at the database's log"),
    "0A": Fault("can't do what is asked of it", "use PostgreSQL 13 or newer"),
}  # fmt: skip
_SQLITE = (
    ("no such table", Fault("a table is missing", CREATE)),
    ("no such column", Fault("a column is missing", COMPARE)),
    (
        "unable to open database file",
        Fault(
            "can't be opened",
            "check {variable}; `vye demo` or `vye database create` makes one",
        ),
    ),
    ("database is locked", Fault("is locked by another process", AGAIN, True)),
    ("database or disk is full", Fault("its disk is full", "make room, then try again")),
    ("readonly database", Fault("is read-only", "check the file's permissions")),
    ("file is not a database", Fault("is no SQLite database", "check {variable}")),
    ("malformed|corrupt", Fault("is damaged", "restore it from a backup")),
)


def library_errors() -> tuple[type[BaseException], ...]:
    """Returns all that a database's client can raise; psycopg is loaded only where it is used."""
    own = (SQLAlchemyError, sqlite3.Error, sqlite3.Warning)
    psycopg = sys.modules.get("psycopg")
    return (*own, psycopg.Error, psycopg.Warning) if psycopg else own


def fault_of(error: BaseException) -> Fault:
    """Returns what an error of a database's client means."""
    if isinstance(error, DBAPIError):
        if error.orig is None or isinstance(error.orig, SQLAlchemyError):
            return LOST if error.connection_invalidated else NO_LIBRARY_ANSWER
        return fault_of(error.orig)
    if isinstance(error, SQLAlchemyError):
        is_waiting = type(error).__name__ == "TimeoutError"
        return BUSY if is_waiting else NO_LIBRARY_ANSWER
    if isinstance(error, sqlite3.Error | sqlite3.Warning):
        return _worded(_SQLITE, str(error)) or _unknown(error)
    code = getattr(error, "sqlstate", None)
    if code:
        return _coded(error, code)
    if type(error).__name__ in ("OperationalError", "InterfaceError", "ProgrammingError"):
        return _worded(_CONNECTING, str(error)) or UNREACHABLE
    if type(error).__name__ == "ConnectionTimeout":
        return UNREACHABLE
    return _unknown(error)


def _coded(error: BaseException, code: str) -> Fault:
    if getattr(getattr(error, "diag", None), "source_function", None) in CONFLICTS and (
        code.startswith("40") or "recovery" in str(error)
    ):
        return STANDBY
    if code == "28000" and not str(error).startswith("no pg_hba.conf"):
        return NO_ROLE
    return _CODES.get(code) or _CODES.get(code[:2]) or _unknown(error)


def _worded(known: tuple[tuple[str, Fault], ...], text: str) -> Fault | None:
    return next((fault for words, fault in known if re.search(words, text)), None)


def _unknown(error: BaseException) -> Fault:
    code = f" {getattr(error, 'sqlstate', None) or ''}".rstrip()
    return Fault(f"{type(error).__name__}{code}", "look the code up in the database's log")
