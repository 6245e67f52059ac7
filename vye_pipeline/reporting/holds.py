"""What a hold or a release means for records that are claimed already."""

from __future__ import annotations

from sqlalchemy import Connection, select

from vye_pipeline.ledger.connection import is_delivered
from vye_pipeline.ledger.models import CLAIMS, HELD, LINE
from vye_pipeline.ledger.open_work import open_hand_overs
from vye_pipeline.records import Kind

HANDED_OVER = "is being handed over as it is: withdraw the hand-over to change its file"
MOST_DAYS = 5  # of the newest; older ones are BDN's affair


def what_follows(
    connection: Connection, user_profile_id: int, kind: Kind, *, is_held: bool
) -> list[str]:
    """Returns a line a day in which there are records of a user profile, newest first.

    Args:
        connection: to the ledger.
        user_profile_id: whose records.
        kind: of the records.
        is_held: whether they have just been held back; released otherwise.
    """
    query = (
        select(
            CLAIMS.c.partition_date,
            CLAIMS.c.disposition,
            is_delivered(CLAIMS).label("is_delivered"),
        )
        .where(
            CLAIMS.c.kind == kind.name,
            CLAIMS.c.user_profile_id == user_profile_id,
            CLAIMS.c.disposition.in_((LINE, HELD)),
        )
        .order_by(CLAIMS.c.partition_date.desc())
        .limit(MOST_DAYS)
    )
    words = {
        (LINE, True): "went out already: only BDN can stop it" if is_held else "went out",
        (LINE, False): "is taken out of the file by the next run of the day"
        if is_held
        else "goes out when the day does",
        (HELD, True): "is held back; the day is delivered without it"
        if is_held
        else "goes out with the next day that runs",
        (HELD, False): "is held back" if is_held else "goes out when the day does",
    }
    leaving = {(one.partition_date, one.kind) for one in open_hand_overs(connection)}
    return [
        f"{day}: {HANDED_OVER if (day, kind.name) in leaving else words[disposition, delivered]}"
        for day, disposition, delivered in connection.execute(query).all()
    ]
