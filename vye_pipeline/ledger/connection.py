"""How the ledger is reached: its engine, transactions and lock, and the words its queries share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import cached_property, partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Table,
    exists,
    func,
    insert,
    select,
)

from vye_pipeline.errors import Cause
from vye_pipeline.ledger import schema
from vye_pipeline.ledger.lock import exclusive
from vye_pipeline.ledger.models import DELIVERIES
from vye_pipeline.records import Kind
from vye_pipeline.retries import retried
from vye_pipeline.settings import Settings
from vye_pipeline.sql.engines import Database, reading
from vye_pipeline.storage.snapshots import SnapshotStore, open_snapshots

Answer = TypeVar("Answer")
ROWS_ANALYSED = 400  # of each index; what SQLite's own page recommends at least is 100
IDS_A_STATEMENT = 900  # no SQLite takes fewer than 999 parameters


class LedgerConnection:
    """A ledger, without its methods."""

    def __init__(self, database: Database) -> None:
        """Takes the place of the ledger; nothing is connected yet."""
        self._database = database

    @cached_property
    def engine(self) -> Engine:
        """The ledger's engine."""
        return self._database.engine()

    @cached_property
    def _reader(self) -> Engine:
        return reading(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end or not at all; errors come out classified."""
        with self._database.errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that can't write, and waits for no writer; errors come out classified."""
        with self._database.errors(), self._reader.begin() as connection:
            yield connection

    @retried
    def read(self, question: Callable[[Connection], Answer]) -> Answer:
        """Answers a question that needs a connection."""
        with self.reading() as connection:
            return question(connection)

    @contextmanager
    def exclusive(self, kind: Kind) -> Iterator[None]:
        """Keeps other processes from claiming or delivering records of a kind meanwhile."""
        with ExitStack() as held:
            self._hold(held, kind.name)
            yield

    @retried
    def _hold(self, held: ExitStack, name: str) -> None:
        with self._database.errors():
            held.enter_context(exclusive(self.engine, name))

    @retried
    def upgrade(self, open_snapshots: Callable[[], SnapshotStore]) -> None:
        """Brings the tables to this version's revision (schema.upgrade)."""
        with self._database.errors():
            if not schema.is_current(self._reader):
                schema.upgrade(self.engine, open_snapshots)


Opened = TypeVar("Opened", bound=LedgerConnection)


def ledger_database(settings: Settings) -> Database:
    """Returns the ledger's database as the settings name it; nothing is connected or made."""
    return Database(
        "the ledger",
        "VYE_LEDGER_URL",
        settings.ledger_database_url,
        Cause.LEDGER,
        settings.allow_cleartext,
    )


def open_as(ledger_type: type[Opened], settings: Settings) -> Opened:
    """Opens the ledger, with its methods or only to read, at this version's revision.

    Raises:
        PipelineError: it can't be reached or written.
    """
    database = ledger_database(settings)
    if database.url == f"sqlite:///{settings.folder / 'ledger.db'}":
        settings.folder.mkdir(parents=True, exist_ok=True)
    ledger = ledger_type(database)
    ledger.upgrade(partial(open_snapshots, settings))
    return ledger


def of_partition(
    rows: FromClause, partition_date: date, kind: Kind
) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions that a row is of a partition and kind."""
    return (rows.c.partition_date == partition_date, rows.c.kind == kind.name)


def keep_statistics(connection: Connection) -> None:
    """Lets SQLite look at its tables again, as PostgreSQL does by itself.

    Without it a query may go by the kind where it should by the user profile. A few rows of each
    index are read, however many there are.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA analysis_limit = {ROWS_ANALYSED}")
        connection.exec_driver_sql("ANALYZE")


def insert_once(connection: Connection, table: Table, **values: Any) -> None:
    """Adds a row that isn't there: a repeat after a lost answer must not add it again."""
    same = [table.c[name].is_not_distinct_from(value) for name, value in values.items()]
    if not connection.scalar(select(exists().where(*same))):
        connection.execute(insert(table).values(values))


def is_delivered(rows: FromClause) -> ColumnElement[bool]:
    """Returns the condition that a row's partition and kind have a receipt."""
    return exists().where(*_receipt_of(rows))


def has_receipt(rows: FromClause) -> ColumnElement[bool]:
    """Returns the same condition, looked up for each row that the others have left.

    PostgreSQL makes a join of the other one. Where few rows of many are asked about, and its
    statistics lag behind what was just written, it may begin that with all records of all
    delivered days.
    """
    return select(func.count()).where(*_receipt_of(rows)).scalar_subquery() > 0


def _receipt_of(rows: FromClause) -> tuple[ColumnElement[bool], ...]:
    return (DELIVERIES.c.partition_date == rows.c.partition_date, DELIVERIES.c.kind == rows.c.kind)


def batched_ids(ids: Iterable[Any]) -> list[list[int]]:
    """Returns ids in groups that a statement can take."""
    listed = [int(one) for one in ids]
    return [
        listed[start : start + IDS_A_STATEMENT] for start in range(0, len(listed), IDS_A_STATEMENT)
    ]
