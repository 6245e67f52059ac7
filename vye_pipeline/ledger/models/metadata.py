"""What all tables of the ledger have in common."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

Identifier = BigInteger().with_variant(Integer, "sqlite")

# All tables of the ledger.
METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "fk": "%(table_name)s_of_%(referred_table_name)s",
        "uq": "%(table_name)s_one_%(column_0_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)
