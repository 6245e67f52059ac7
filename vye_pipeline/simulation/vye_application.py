"""What the VYE application does to its database: it activates clones, and removes old changes."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, and_, delete, select, true, update

from vye_pipeline.errors import source_error
from vye_pipeline.vye_database.tables import (
    AddressChange,
    BdnClone,
    DirectDepositChange,
    UserInfo,
)


def activate_next_clone(connection: Connection, now: datetime) -> None:
    """Makes the active clone export-ready and the oldest waiting one active, at a moment.

    Raises:
        PipelineError: a clone is still export-ready: VYE is jammed (vye-database.md).
    """
    if connection.scalar(select(BdnClone.id).where(BdnClone.export_ready == true())):
        raise source_error(
            "VYE can't activate its next clone: one is still export-ready",
            is_transient=False,
            next_step="let the pipeline look at it, or reset its flag",
        )
    active = select(BdnClone.id).where(BdnClone.is_active == true())
    waiting = (
        select(BdnClone.id).where(BdnClone.is_active.is_(False)).order_by(BdnClone.id).limit(1)
    )
    old, new = connection.scalar(active), connection.scalar(waiting)
    updated_at = now.astimezone(UTC).replace(tzinfo=None)
    for clone_id, is_active, export_ready in ((old, None, True), (new, True, None)):
        connection.execute(
            update(BdnClone)
            .where(BdnClone.id == clone_id)
            .values(is_active=is_active, export_ready=export_ready, updated_at=updated_at)
        )
        connection.execute(
            update(UserInfo)
            .where(UserInfo.bdn_clone_id == clone_id)
            .values(bdn_clone_active=is_active)
        )


def remove_released_changes(connection: Connection) -> None:
    """Deletes the deposit and address changes of released clones, as VYE does in the evening."""
    is_released = and_(BdnClone.is_active.is_(None), BdnClone.export_ready.is_(None))
    released = (
        select(UserInfo.id).join(BdnClone, BdnClone.id == UserInfo.bdn_clone_id).where(is_released)
    )
    for table in (DirectDepositChange, AddressChange):
        connection.execute(delete(table).where(table.user_info_id.in_(released)))
