"""What the pipeline writes is for its own user: files, ledgers, reports, logs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vye_pipeline.errors import UsageError

FOR_THE_OWNER = 0o077


def make_files_private() -> None:
    """Lets all that this process and its children make from now on be its user's alone.

    Every entry point does this first, whatever umask it was started with.
    """
    os.umask(FOR_THE_OWNER)


def checked_folder(folder: Path) -> Path:
    """Returns a folder in which nobody else can put what will be trusted.

    Raises:
        UsageError: somebody else owns it, or may write there.
    """
    status = folder.stat()
    if status.st_uid not in (os.getuid(), 0) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"{folder} may be written by others, who could have this process run their code: "
            f"chmod go-w {folder}, and let it be owned by this user"
        )
    return folder
