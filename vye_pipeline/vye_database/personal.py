"""Which columns of VYE's database are personal, and in which of two shapes a database keeps them.

In production they are encrypted: `<name>_ciphertext`, under a data key per row, which KMS wraps in
`encrypted_kms_key` (docs/production.md). A copy for trials has them in the clear. Every reader
selects them here, and opens what it read with `opening`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Inspector,
    Integer,
    Label,
    MetaData,
    String,
    Table,
    Text,
    cast,
    func,
    inspect,
    literal,
    text,
)

from vye_pipeline.errors import source_error
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.sql.engines import Database
from vye_pipeline.vye_database.tables import Base

IDENTITIES = "mpi_identities"
PROFILES = "vye_user_profiles"
USER_INFOS = "vye_user_infos"
SUFFIX = "_ciphertext"
KEY_COLUMN = "encrypted_kms_key"
ROTATION_COLUMN = "needs_kms_rotation"
KEY_LABELS = {"record": "record_key", "user_info": "user_info_key"}


@dataclass(frozen=True)
class PersonalTable:
    """A table with encrypted columns.

    Attributes:
        model: its name in the KMS encryption context.
        columns: their plain names.
        dormant: encrypted columns that VYE's models no longer know; never read.
    """

    model: str
    columns: tuple[str, ...]
    dormant: tuple[str, ...] = ()


PERSONAL: Mapping[str, PersonalTable] = MappingProxyType(
    {
        USER_INFOS: PersonalTable("Vye::UserInfo", ("dob", "file_number", "stub_nm")),
        "vye_direct_deposit_changes": PersonalTable(
            "Vye::DirectDepositChange",
            (
                "acct_no",
                "acct_type",
                "bank_name",
                "bank_phone",
                "email",
                "full_name",
                "routing_no",
                "phone",
                "phone2",
            ),
            dormant=("chk_digit",),
        ),
        "vye_address_changes": PersonalTable(
            "Vye::AddressChange",
            (
                "veteran_name",
                "address1",
                "address2",
                "address3",
                "address4",
                "address5",
                "city",
                "state",
                "zip_code",
            ),
        ),
    }
)


def ciphertext(column: str) -> str:
    """Returns the name under which production keeps a personal column."""
    return f"{column}{SUFFIX}"


@dataclass(frozen=True)
class Shape:
    """How a database keeps what is personal.

    Attributes:
        is_encrypted: whether the personal columns are encrypted.
        joins_identities: whether identities are read from a table of the same database.
    """

    is_encrypted: bool
    joins_identities: bool

    @property
    def tables(self) -> Mapping[str, Table]:
        """VYE's tables in this shape, by name."""
        return (encrypted_tables() if self.is_encrypted else Base.metadata).tables

    def __str__(self) -> str:
        """Says it in words, for the doctor."""
        kept = "encrypted (production's shape)" if self.is_encrypted else "in the clear"
        return f"personal columns are {kept}"


@retried
def shape_of(database: Database, engine: Engine, identities_url: str | None) -> Shape:
    """Finds the shape of a database by its columns.

    Args:
        database: VYE's, for error texts.
        engine: of it.
        identities_url: where identities come from; None for a table of this database.

    Raises:
        PipelineError: source: it can't be read, or has no user infos in either shape.
    """
    with database.errors():
        inspector = inspect(engine)
        names = _user_info_columns(inspector)
        joins_identities = identities_url is None and inspector.has_table(IDENTITIES)
    has_ciphertext = ciphertext("file_number") in names
    if not has_ciphertext and "file_number" not in names:
        raise source_error(
            f"VYE's database: a table is missing, or {USER_INFOS} has neither file_number nor "
            f"{ciphertext('file_number')}",
            is_transient=False,
            next_step="check VYE_DATABASE_URL and the role's rights (docs/deployment/grants.sql); "
            "`vye database create` makes VYE's tables",
        )
    return Shape(has_ciphertext, joins_identities)


def is_encrypted(connection: Connection) -> bool:
    """Says whether a database that has VYE's tables is in production's shape."""
    return ciphertext("file_number") in _user_info_columns(inspect(connection))


def _user_info_columns(inspector: Inspector) -> set[str]:
    if not inspector.has_table(USER_INFOS):
        return set()
    return {column["name"] for column in inspector.get_columns(USER_INFOS)}


@cache
def encrypted_tables() -> MetaData:
    """Returns VYE's tables as production has them.

    Personal columns are encrypted, references are integers without foreign keys, and there is no
    table of identities.
    """
    metadata = MetaData()
    for table in Base.metadata.sorted_tables:
        if table.name != IDENTITIES:
            _encrypted(table, metadata)
    return metadata


def _encrypted(table: Table, metadata: MetaData) -> None:
    personal = PERSONAL.get(table.name, PersonalTable("", ()))
    hidden = {*personal.columns, *personal.dormant}
    columns: list[Column[Any]] = []
    for column in table.columns:
        if column.name in hidden:
            columns.append(Column(ciphertext(column.name), Text))
        elif column.foreign_keys:
            columns.append(Column(column.name, Integer, nullable=column.nullable))
        else:
            columns.append(
                Column(
                    column.name,
                    column.type,
                    primary_key=column.primary_key,
                    nullable=column.nullable,
                    unique=column.unique,
                )
            )
    if personal.model:
        columns.append(Column(KEY_COLUMN, Text))
        columns.append(
            Column(ROTATION_COLUMN, Boolean, nullable=False, server_default=text("false"))
        )
    made = Table(table.name, metadata, *columns)
    for index in table.indexes:
        Index(index.name, *(made.c[column.name] for column in index.columns), unique=index.unique)


def columns_read(shape: Shape, kind: Kind) -> list[Label[str]]:
    """Returns the columns of a kind as they are stored, and what opens them.

    That is, where personal columns are encrypted, the data keys of both rows (record_key,
    user_info_key), and where identities aren't joined the profile's icn, with an empty ssn.
    """
    tables = {"record": kind.table, "user_info": USER_INFOS}
    columns = [
        stored_text(shape, tables[column.owner], column.name)
        for column in kind.columns
        if column.owner in tables
    ]
    if shape.joins_identities:
        columns.append(_text(Base.metadata.tables[IDENTITIES].c.ssn).label("ssn"))
    else:
        columns.append(literal("").label("ssn"))
        columns.append(_text(shape.tables[PROFILES].c.icn).label("icn"))
    if shape.is_encrypted:
        columns += [
            _text(shape.tables[table].c[KEY_COLUMN]).label(KEY_LABELS[owner])
            for owner, table in tables.items()
            if sealed_columns(kind, owner)
        ]
    return columns


def stored_text(shape: Shape, table: str, column: str) -> Label[str]:
    """Returns a column's text as it is stored, labelled with its plain name, empty where null.

    Empty text is stored unencrypted, and null opens as nothing: neither needs a key.
    """
    stored = shape.tables[table].c[_stored_name(shape, table, column)]
    return _text(stored).label(column)


def key_of(shape: Shape, table: str) -> Label[str]:
    """Returns a row's wrapped data key, labelled with its name; empty where there is none."""
    stored = _text(shape.tables[table].c[KEY_COLUMN]) if shape.is_encrypted else literal("")
    return stored.label(KEY_COLUMN)


def _stored_name(shape: Shape, table: str, column: str) -> str:
    is_sealed = shape.is_encrypted and column in personal_columns(table)
    return ciphertext(column) if is_sealed else column


def personal_columns(table: str) -> tuple[str, ...]:
    """Returns the plain names of a table's encrypted columns."""
    return PERSONAL[table].columns if table in PERSONAL else ()


def sealed_columns(kind: Kind, owner: str) -> tuple[str, ...]:
    """Returns the columns of a kind that are encrypted in one owner's table."""
    table = {"record": kind.table, "user_info": USER_INFOS}[owner]
    return tuple(
        column.name
        for column in kind.columns
        if column.owner == owner and column.name in personal_columns(table)
    )


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return func.coalesce(cast(column, String), "")
