"""Names of files and keys of objects (bdn-interface.md, parts 1 to 3).

Times in names are the partition's cut-off in America/Chicago, never the moment of a run: the same
partition always has the same names, so that a repeat is recognised as a repeat.
"""

from __future__ import annotations

import re
from datetime import date

from vye_pipeline.business_days import CHICAGO, cut_off
from vye_pipeline.records import Kind


def file_name(kind: Kind, partition_date: date) -> str:
    """Returns the name of a partition's file: `vawave097`, `DirDep20250407044500.txt`."""
    return cut_off(partition_date).astimezone(CHICAGO).strftime(kind.file_name)


def outbound_key(kind: Kind, partition_date: date) -> str:
    """Returns the key under which a partition's file is put."""
    return f"outbound/{partition_date}/{file_name(kind, partition_date)}"


def inbound_prefix(partition_date: date) -> str:
    """Returns the start of the keys of a partition's acknowledgements."""
    return f"inbound/{partition_date}/"


def acknowledgement_key(kind: Kind, partition_date: date, sequence: int = 1) -> str:
    """Returns the key of an acknowledgement: `….ack`, of a supplement `….ack.2`."""
    supplement = f".{sequence}" if sequence > 1 else ""
    return f"{inbound_prefix(partition_date)}{file_name(kind, partition_date)}.ack{supplement}"


def acknowledgement_sequence(kind: Kind, partition_date: date, key: str) -> int | None:
    """Returns an acknowledgement's place among its file's, None if it is of another file."""
    first = re.escape(acknowledgement_key(kind, partition_date))
    match = re.fullmatch(rf"{first}(?:\.([2-9]|[1-9][0-9]+))?", key)
    return int(match[1] or 1) if match else None
