"""What a kind of record is made of: the vocabulary in which each kind's module declares itself.

Reading, checking, rendering, parsing, masking, the documentation table and the sample data follow
from these declarations (architecture.md, rule 3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from vye_pipeline.records import encoding
from vye_pipeline.records.rules import PRINTABLE_ASCII, REQUIRED, Rule, at_most

if TYPE_CHECKING:
    import pyarrow as pa

Encoding: TypeAlias = "Callable[[pa.Array], pa.Array]"
Owner = Literal["record", "user_info", "identity"]
Content = Literal["text", "code", "phone", "email"]


@dataclass(frozen=True)
class Column:
    """A value that is read: where it is in VYE's database and what must be true of it.

    Attributes:
        name: the column in VYE's table and in every frame.
        owner: the table it belongs to: the kind's own, vye_user_infos or mpi_identities.
        rules: conditions beyond those that hold for every value.
        is_required: whether a blank value quarantines the record.
        is_sensitive: whether the value is personal data (architecture.md, rule 7).
        content: how it is normalised: a code and an e-mail address lose the blanks at their ends,
            an address keeps every character that can be seen, a phone its digits alone.
    """

    name: str
    owner: Owner = "record"
    rules: tuple[Rule, ...] = ()
    is_required: bool = False
    is_sensitive: bool = False
    content: Content = "text"


@dataclass(frozen=True)
class Field:
    """A value that is written: its place in the line is its place in the declaration.

    Attributes:
        name: the field in bdn-interface.md.
        column: the column it is made from.
        width: exact in a fixed-width line, the least in a comma-separated one.
        encode: turns the column's text into the field's.
    """

    name: str
    column: str
    width: int = 0
    encode: Encoding = encoding.as_it_is


@dataclass(frozen=True)
class Kind:
    """One kind of submission and of file.

    Attributes:
        name: as commands, tables and asset keys write it.
        title: for people.
        table: the table in VYE's database.
        file_name: strftime pattern of the file's name, filled with the cut-off in Chicago.
        separator: between the fields; empty for fixed width.
        columns: what is read.
        fields: what is written, in order.
        identity: the fields by which an echoed line is recognised.
        origin: the only value of the table's `origin` that goes out; None where there is none.
        is_dated: whether a newer record overtakes an older one only when its transact_date is
            the same or later (bdn-interface.md, part 3, `superseded`).
    """

    name: str
    title: str
    table: str
    file_name: str
    separator: str
    columns: tuple[Column, ...]
    fields: tuple[Field, ...]
    identity: tuple[str, ...]
    origin: str | None = None
    is_dated: bool = False
    _columns: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Indexes the columns, so that a field that names none fails at import."""
        object.__setattr__(self, "_columns", {column.name: column for column in self.columns})
        for written in self.fields:
            self.column(written.column)

    def column(self, name: str) -> Column:
        """Returns a column by name; KeyError where the kind has none of it."""
        return self._columns[name]

    @property
    def is_fixed_width(self) -> bool:
        """Whether every line has the same length."""
        return not self.separator

    def rules(self, column: Column) -> tuple[Rule, ...]:
        """Returns all rules of a column: the general ones, its width's and its own."""
        general = (REQUIRED, PRINTABLE_ASCII) if column.is_required else (PRINTABLE_ASCII,)
        widths = tuple(
            at_most(written.width)
            for written in self.fields
            if self.is_fixed_width
            and written.column == column.name
            and written.encode is encoding.as_it_is
        )
        return general + widths + column.rules
