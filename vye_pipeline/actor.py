"""Who is at work: the operating system's word for it, which no variable can change.

On PostgreSQL a trigger puts the database's `session_user` beside it, in `database_user`.
"""

from __future__ import annotations

import os
import pwd


def actor() -> str:
    """Returns the user of this process as `name (uid 1000)`, or `uid 1000` if it has no name."""
    uid = os.getuid()
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
