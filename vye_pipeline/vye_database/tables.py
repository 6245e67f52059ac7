"""VYE's tables, as far as they matter here (vye-database.md): names are the VYE application's.

Timestamps are stored without zone, in UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Identifier = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """All tables of VYE that the pipeline reads."""

    type_annotation_map: ClassVar = {
        int: Identifier,
        str: Text,
        bool: Boolean,
        bytes: LargeBinary,
        Decimal: Numeric,
        date: Date,
        datetime: DateTime,
    }


class Row:
    """What every table has."""

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BdnClone(Row, Base):
    """One night's import of BDN's feed."""

    __tablename__ = "vye_bdn_clones"

    is_active: Mapped[bool | None]
    export_ready: Mapped[bool | None]
    transact_date: Mapped[date | None]


class UserProfile(Row, Base):
    """A veteran."""

    __tablename__ = "vye_user_profiles"

    ssn_digest: Mapped[bytes | None]
    file_number_digest: Mapped[bytes | None]
    icn: Mapped[str | None] = mapped_column(unique=True)


class UserInfo(Row, Base):
    """A veteran's line in a BDN clone, from which submissions hang."""

    __tablename__ = "vye_user_infos"

    user_profile_id: Mapped[int | None] = mapped_column(ForeignKey(UserProfile.id), index=True)
    bdn_clone_id: Mapped[int] = mapped_column(ForeignKey(BdnClone.id), index=True)
    bdn_clone_line: Mapped[int | None] = mapped_column(Integer)
    bdn_clone_active: Mapped[bool | None]
    file_number: Mapped[str | None]
    suffix: Mapped[str | None]
    dob: Mapped[str | None]
    stub_nm: Mapped[str | None]
    mr_status: Mapped[str | None]
    rem_ent: Mapped[str | None]
    rpo_code: Mapped[int | None] = mapped_column(Integer)
    fac_code: Mapped[str | None]
    payment_amt: Mapped[Decimal | None]
    indicator: Mapped[str | None]
    cert_issue_date: Mapped[date | None]
    del_date: Mapped[date | None]
    date_last_certified: Mapped[date | None]


class Verification(Row, Base):
    """A veteran's confirmation of the enrollment."""

    __tablename__ = "vye_verifications"
    __table_args__ = (Index("vye_verifications_by_info", "user_info_id", "created_at"),)

    user_profile_id: Mapped[int | None] = mapped_column(ForeignKey(UserProfile.id))
    user_info_id: Mapped[int | None] = mapped_column(ForeignKey(UserInfo.id))
    award_id: Mapped[int | None]
    act_begin: Mapped[datetime | None]
    act_end: Mapped[datetime | None]
    transact_date: Mapped[date | None]
    source_ind: Mapped[str | None]
    monthly_rate: Mapped[Decimal | None]
    number_hours: Mapped[int | None] = mapped_column(Integer)
    payment_date: Mapped[date | None]
    trace: Mapped[str | None]


class DirectDepositChange(Row, Base):
    """A veteran's new bank account."""

    __tablename__ = "vye_direct_deposit_changes"
    __table_args__ = (Index("vye_direct_deposit_changes_by_info", "user_info_id", "created_at"),)

    user_info_id: Mapped[int | None] = mapped_column(ForeignKey(UserInfo.id))
    rpo: Mapped[str | None]
    ben_type: Mapped[str | None]
    full_name: Mapped[str | None]
    phone: Mapped[str | None]
    phone2: Mapped[str | None]
    email: Mapped[str | None]
    acct_no: Mapped[str | None]
    acct_type: Mapped[str | None]
    routing_no: Mapped[str | None]
    chk_digit: Mapped[str | None]
    bank_name: Mapped[str | None]
    bank_phone: Mapped[str | None]


class AddressChange(Row, Base):
    """A veteran's address: submitted (`frontend`), or a copy of what BDN has."""

    __tablename__ = "vye_address_changes"
    __table_args__ = (Index("vye_address_changes_by_info", "user_info_id", "created_at"),)

    user_info_id: Mapped[int | None] = mapped_column(ForeignKey(UserInfo.id))
    rpo: Mapped[str | None]
    benefit_type: Mapped[str | None]
    veteran_name: Mapped[str | None]
    address1: Mapped[str | None]
    address2: Mapped[str | None]
    address3: Mapped[str | None]
    address4: Mapped[str | None]
    address5: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zip_code: Mapped[str | None]
    origin: Mapped[str | None]


class MpiIdentity(Base):
    """Stands in for the identity service, which gives an SSN for an ICN."""

    __tablename__ = "mpi_identities"

    icn: Mapped[str] = mapped_column(primary_key=True)
    ssn: Mapped[str | None]
