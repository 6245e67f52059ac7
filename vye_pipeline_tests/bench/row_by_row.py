"""A writer that works as the production job does: record by record, a query for each thing needed.

Pages of 1,000 records; for each record its user_info, its profile and its identity; the line is
formatted in Python. The bytes must be the pipeline's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vye_pipeline.bdn.file_names import outbound_key
from vye_pipeline.context import Context
from vye_pipeline.records import KINDS
from vye_pipeline.settings import Settings
from vye_pipeline.vye_database.tables import (
    AddressChange,
    DirectDepositChange,
    MpiIdentity,
    UserInfo,
    UserProfile,
    Verification,
)
from vye_pipeline_tests.bench.pipeline import DAY
from vye_pipeline_tests.bench.processes import seconds

PAGE = 1_000
CLONE = 1
LEAST_DIGITS = 7


def measure(settings: Settings) -> dict[str, float]:
    """Writes a delivered day's files again, several times, and holds them to what was delivered.

    Returns:
        `records` and `seconds`.
    """
    pipeline = Context(settings)
    delivered = [pipeline.objects.get(outbound_key(kind, DAY)) for kind in KINDS]
    assert _files(pipeline) == delivered
    (taken,) = seconds(lambda: _files(pipeline))
    return {"records": sum(content.count(b"\n") for content in delivered), "seconds": taken}


def _files(pipeline: Context) -> list[bytes]:
    with Session(pipeline.vye_engine) as session:
        return [b"".join(_lines(session, model, line)) for model, line in WRITERS]


def _lines(session: Session, model: Any, line: Callable[..., str]) -> Iterator[bytes]:
    last = 0
    while True:
        page = session.scalars(
            select(model)
            .join(UserInfo, UserInfo.id == model.user_info_id)
            .where(UserInfo.bdn_clone_id == CLONE, model.id > last)
            .order_by(model.id)
            .limit(PAGE)
        ).all()
        if not page:
            return
        for record in page:
            info = session.get_one(UserInfo, record.user_info_id)
            profile = session.get_one(UserProfile, info.user_profile_id)
            identity = session.get_one(MpiIdentity, profile.icn)
            yield f"{line(record, info, identity.ssn)}\n".encode("ascii")
        last = page[-1].id
        session.expunge_all()


def _verification(record: Verification, info: UserInfo, ssn: str) -> str:
    padded = f"{ssn:0>9}"
    return (
        f"{info.stub_nm:7}{padded[7:]}{padded[:7]}{record.transact_date:%Y%m%d}"
        f"{info.rpo_code:<3}{info.indicator:1}{record.source_ind:1}"
    )


def _direct_deposit(record: DirectDepositChange, info: UserInfo, ssn: str) -> str:
    routing = record.routing_no or ""
    return ",".join(
        (
            f"{info.rpo_code:<3}",
            _padded(info.indicator, 1),
            f"{ssn:0>9}",
            _padded(info.file_number, 9),
            _padded(record.full_name, 20),
            _padded(_phone(record.phone)),
            _padded(_phone(record.phone2)),
            _padded(record.email),
            _padded(record.acct_no),
            _padded((record.acct_type or "")[:1].upper()),
            _padded(routing[:8], 8),
            _padded(routing[8:], 1),
            _padded(record.bank_name),
            _padded(_phone(record.bank_phone)),
        )
    )


def _address(record: AddressChange, info: UserInfo, ssn: str) -> str:
    return ",".join(
        (
            f"{info.rpo_code:<3}",
            _padded(info.indicator, 1),
            f"{ssn:0>9}",
            _padded(info.file_number, 9),
            _padded(record.veteran_name, 20),
            _padded(record.address1),
            _padded(record.address2),
            _padded(record.address3),
            _padded(record.address4),
            _padded(record.city),
            _padded(record.state, 6),
            _padded(record.zip_code, 5),
        )
    )


def _padded(value: str | None, width: int = 1) -> str:
    return f"{value or '':{max(width, 1)}}"


def _phone(value: str | None) -> str:
    digits = re.sub("[^0-9]", "", value or "")
    if len(digits) < LEAST_DIGITS:
        return digits
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


WRITERS: tuple[tuple[Any, Callable[..., str]], ...] = (
    (Verification, _verification),
    (DirectDepositChange, _direct_deposit),
    (AddressChange, _address),
)
