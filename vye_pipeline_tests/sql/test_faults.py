"""No error of a database's client reaches a person as it is, whatever class it is of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy.exc
from psycopg import errors
from sqlalchemy.orm import exc as orm_errors

from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.sql.engines import Database
from vye_pipeline.sql.faults import fault_of

DATABASE = Database("VYE's database", "VYE_DATABASE_URL", "sqlite://", Cause.SOURCE)
VALUE = "900123456"
CONNECTING = {
    'connection failed: FATAL:  password authentication failed for user "x"': "refuses the login",
    "fe_sendauth: no password supplied": "refuses the login",
    'FATAL:  role "x" does not exist': "no such role",
    'FATAL:  database "x" does not exist': "no such database",
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", no encryption': "admits no connection",
    "SSL error: certificate verify failed": "no TLS connection",
    "server does not support SSL, but SSL was required": "no TLS connection",
    "FATAL:  sorry, too many clients already": "no connection free",
    "FATAL:  the database system is starting up": "starting or stopping",
    "FATAL:  unsupported startup parameter: options": "behind a pooler",
    "failed to resolve host 'nowhere': Name or service not known": "name is not known",
    "connection refused": "can't be reached",
    "FATAL:  Rolle fehlt": "refuses the connection",
    'invalid connection option "colour"': "an option that its client doesn't know",
}


def subclasses(base: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yields a class and all that are made from it."""
    yield base
    for one in base.__subclasses__():
        yield from subclasses(one)


def raisable(kind: type[BaseException]) -> BaseException:
    """Returns an error of a class, made without knowing what it wants to be told."""
    error = kind.__new__(kind)
    error.args = (VALUE,)
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        error.orig = errors.UniqueViolation(VALUE)
        error.connection_invalidated = False
    return error


FAMILIES = (
    psycopg.Error,
    psycopg.Warning,
    sqlite3.Error,
    sqlite3.Warning,
    sqlalchemy.exc.SQLAlchemyError,
)
ALL = {kind for family in FAMILIES for kind in subclasses(family)} | {
    kind
    for kind in vars(orm_errors).values()
    if isinstance(kind, type) and issubclass(kind, sqlalchemy.exc.SQLAlchemyError)
}


@pytest.mark.parametrize("kind", sorted(ALL, key=repr), ids=lambda kind: kind.__qualname__)
def test_every_class_of_the_libraries_is_understood(kind: type[BaseException]) -> None:
    with pytest.raises(PipelineError) as caught, DATABASE.errors():
        raise raisable(kind)
    text = str(caught.value)
    assert text.startswith("VYE's database: ")
    assert caught.value.cause is Cause.SOURCE
    assert caught.value.__suppress_context__
    assert VALUE not in text
    assert "report" not in text


def test_there_are_as_many_as_the_libraries_have() -> None:
    assert len(ALL) > 300


@pytest.mark.parametrize("text", CONNECTING)
def test_a_connection_that_fails_is_known_by_its_words(text: str) -> None:
    assert CONNECTING[text] in fault_of(psycopg.OperationalError(text)).what


def test_only_what_may_pass_is_tried_again() -> None:
    permanent = ("refuses the login", "no such", "admits", "TLS", "pooler", "option", "refuses the")
    for text, says in CONNECTING.items():
        is_permanent = any(says.startswith(one) or one in says for one in permanent)
        assert fault_of(psycopg.OperationalError(text)).is_transient != is_permanent, text
