"""What the VYE application does to its database at a cut-off: it activates its next clone."""

from __future__ import annotations

from sqlalchemy import Connection, select, true, update

from vye_pipeline.errors import source_error
from vye_pipeline.vye_database.tables import BdnClone, UserInfo


def activate_next_clone(connection: Connection) -> None:
    """Makes the active clone export-ready and the oldest waiting one active.

    Raises:
        PipelineError: a clone is still export-ready: VYE is jammed (vye-database.md).
    """
    if connection.scalar(select(BdnClone.id).where(BdnClone.export_ready == true())):
        raise source_error(
            "VYE can't activate its next clone: one is still export-ready",
            is_transient=False,
            next_step="deliver that clone's records",
        )
    active = select(BdnClone.id).where(BdnClone.is_active == true())
    waiting = (
        select(BdnClone.id).where(BdnClone.is_active.is_(False)).order_by(BdnClone.id).limit(1)
    )
    old, new = connection.scalar(active), connection.scalar(waiting)
    for clone_id, is_active, export_ready in ((old, None, True), (new, True, None)):
        connection.execute(
            update(BdnClone)
            .where(BdnClone.id == clone_id)
            .values(is_active=is_active, export_ready=export_ready)
        )
        connection.execute(
            update(UserInfo)
            .where(UserInfo.bdn_clone_id == clone_id)
            .values(bdn_clone_active=is_active)
        )
