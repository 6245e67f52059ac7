"""The stand-in BDN's nightly feed: what it would show after it has worked a day's files off."""

from __future__ import annotations

from datetime import date

import pandas as pd

from vye_pipeline.bdn.file_names import FEED_NAME, inbound_prefix, outbound_key
from vye_pipeline.bdn.wave_feed import ADDRESS_WIDTH, FIELDS, render_feed
from vye_pipeline.errors import UsageError
from vye_pipeline.records import ADDRESS_CHANGES, VERIFICATIONS, Kind
from vye_pipeline.records.layout import parse, split_lines
from vye_pipeline.storage.object_store import ObjectStore

NAMES = [field.name for field in FIELDS]
STRANGERS = 3
FIRST_STRANGER = 999_000_000


def write_feed(store: ObjectStore, feed_date: date, worked_off: date) -> str:
    """Writes the feed of a night in which BDN has worked off all lines of a day.

    Args:
        store: with the files, and where the feed goes.
        feed_date: of the feed.
        worked_off: the partition whose lines have taken effect.

    Returns:
        The feed's key.

    Raises:
        UsageError: nothing was delivered on that day.
    """
    delivered = {
        kind: _lines(kind, store.get(outbound_key(kind, worked_off)))
        for kind in (VERIFICATIONS, ADDRESS_CHANGES)
        if store.find(outbound_key(kind, worked_off)) is not None
    }
    if not delivered:
        raise UsageError(f"nothing was delivered for {worked_off}: vye egress {worked_off}")
    parts = [_strangers()]
    if VERIFICATIONS in delivered:
        parts.append(_certified(delivered[VERIFICATIONS]))
    if ADDRESS_CHANGES in delivered:
        parts.append(_moved(delivered[ADDRESS_CHANGES]))
    feed = pd.concat(parts).reindex(columns=NAMES).astype(dict.fromkeys(NAMES, "str")).fillna("")
    key = inbound_prefix(feed_date) + FEED_NAME
    store.put(key, render_feed(feed))
    return key


def _lines(kind: Kind, content: bytes) -> pd.DataFrame:
    fields = parse(kind, split_lines(content))
    return pd.DataFrame({name: values.to_pandas().astype("str") for name, values in fields.items()})


def _strangers() -> pd.DataFrame:
    """Returns beneficiaries that VYE has never heard of."""
    numbers = [str(FIRST_STRANGER + number) for number in range(STRANGERS)]
    return pd.DataFrame({"ssn": numbers, "stub_nm": "NOBODY", "date_last_certified": "00000000"})


def _certified(lines: pd.DataFrame) -> pd.DataFrame:
    number = lines["td_number"]
    return pd.DataFrame(
        {
            "ssn": number.str[2:] + number.str[:2],
            "stub_nm": lines["stub_nm"],
            "date_last_certified": lines["transact_date"],
        }
    )


def _moved(lines: pd.DataFrame) -> pd.DataFrame:
    kept = {name: lines[name].str.upper().str[:ADDRESS_WIDTH] for name in _ADDRESS}
    town = (lines["city"] + " " + lines["state"]).str.upper().str[:ADDRESS_WIDTH]
    return pd.DataFrame(
        {**kept, "ssn": lines["ssn"], "address5": town, "zip_code": lines["zip_code"].str[:9]}
    )


_ADDRESS = ("address1", "address2", "address3", "address4")
