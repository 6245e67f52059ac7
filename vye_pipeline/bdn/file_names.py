"""Names of files and keys of objects (bdn-interface.md, parts 1 to 3).

Times in names are the partition's cut-off in America/Chicago, never the moment of a run: the same
partition always has the same names, so that a repeat is recognised as a repeat.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from vye_pipeline.bdn.transfer import described
from vye_pipeline.business_days import CHICAGO, cut_off
from vye_pipeline.records import KINDS, Kind

REVISION = r"\.r(?P<revision>[2-9]|[1-9][0-9]{1,3})"
FEED_NAME = "WAVE.txt"
INBOUND = "inbound/"
OUTBOUND = "outbound/"
OUTBOUND_KEY = re.compile(
    rf"{OUTBOUND}(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/[^/]+?(?:{REVISION})?", re.DOTALL
)
SEQUENCE = r"\.(?P<sequence>[2-9]|[1-9][0-9]{1,3})"
# What may stand in a name or key without being anybody's name or number, in whatever case.
OURS = re.compile(
    r"((?<![0-9A-Za-z])(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|vawave[0-9]{3}(?:\.r[0-9]{1,3})?"
    r"|(?:DirDep|CHGADD)[0-9]{14}(?:\.txt)?(?:\.r[0-9]{1,3})?|WAVE|inbound|outbound"
    r"|ack(?:\.[0-9]{1,3})?|txt|filepart|part|tmp|bak|old|xml|csv)(?![0-9A-Za-z])|[/\\._ -]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class AcknowledgementPlace:
    """Which acknowledgement a key is of.

    Attributes:
        revision: of the file that it answers, 1 for the file as it was delivered first.
        sequence: 1 for the acknowledgement, from 2 for its supplements.
    """

    revision: int
    sequence: int


def shown(name: str) -> str:
    """Returns a name or key as people may see it.

    Our names, days and suffixes are shown as they are written; anything else may be a person's
    name or number, and is shown by its length and the class of its characters.
    """
    parts = OURS.split(name)  # what is ours is every second one
    return "".join(
        part if index % 2 or not part else f"<{described(part)}>"
        for index, part in enumerate(parts)
    )


def kind_of_name(name: str) -> Kind | None:
    """Returns the kind whose files have such a name, whatever their day; None where there is none.

    Args:
        name: of a file, or its first 24 characters as a header has them.
    """
    for kind in KINDS:
        pattern = re.escape(kind.file_name).replace("%Y%m%d%H%M%S", r"[0-9]{14}")
        if re.fullmatch(rf"{pattern.replace('%j', '[0-9]{3}')}(?:\.r?[0-9]{{0,4}})?", name):
            return kind
    return None


def file_name(kind: Kind, partition_date: date, revision: int = 1) -> str:
    """Returns the name of a partition's file: `vawave097`, delivered again `vawave097.r2`."""
    name = cut_off(partition_date).astimezone(CHICAGO).strftime(kind.file_name)
    return f"{name}.r{revision}" if revision > 1 else name


def outbound_key(kind: Kind, partition_date: date, revision: int = 1) -> str:
    """Returns the key under which a partition's file is put."""
    return f"{OUTBOUND}{partition_date}/{file_name(kind, partition_date, revision)}"


def outbound_place(kind: Kind, key: str) -> tuple[date, int] | None:
    """Returns partition date and revision of the file that a key is of, None if of no such file."""
    match = OUTBOUND_KEY.fullmatch(key)
    if match is None:
        return None
    try:
        partition_date = date.fromisoformat(match["day"])
    except ValueError:
        return None
    revision = int(match["revision"] or 1)
    is_ours = key == outbound_key(kind, partition_date, revision)
    return (partition_date, revision) if is_ours else None


def inbound_prefix(partition_date: date) -> str:
    """Returns the start of the keys of a partition's acknowledgements."""
    return f"{INBOUND}{partition_date}/"


def acknowledgement_key(
    kind: Kind, partition_date: date, sequence: int = 1, revision: int = 1
) -> str:
    """Returns the key of an acknowledgement: `….ack`, of a supplement `….ack.2`."""
    supplement = f".{sequence}" if sequence > 1 else ""
    name = file_name(kind, partition_date, revision)
    return f"{inbound_prefix(partition_date)}{name}.ack{supplement}"


def acknowledgement_place(
    kind: Kind, partition_date: date, key: str
) -> AcknowledgementPlace | None:
    """Returns which acknowledgement of a partition's file a key is of, None if of another's."""
    first = re.escape(inbound_prefix(partition_date) + file_name(kind, partition_date))
    match = re.fullmatch(rf"{first}(?:{REVISION})?\.ack(?:{SEQUENCE})?", key)
    if match is None:
        return None
    return AcknowledgementPlace(int(match["revision"] or 1), int(match["sequence"] or 1))
