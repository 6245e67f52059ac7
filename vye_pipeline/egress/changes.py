"""That a file isn't what its partition's claims make any more."""

from __future__ import annotations

from datetime import date

from vye_pipeline.egress.export import egress_command
from vye_pipeline.errors import Cause, PipelineError
from vye_pipeline.records import Kind


class FileChanged(PipelineError):
    """The records have changed since their file was rendered, and make another one now."""

    def __init__(self, partition_date: date, kind: Kind) -> None:
        super().__init__(
            f"the {kind.name} of {partition_date} have changed since the file was rendered",
            cause=Cause.SOURCE,
            is_transient=True,
            next_step=egress_command(partition_date, kind),
        )
