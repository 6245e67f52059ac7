"""`vye …` as a process, `python -m vye_pipeline …` too: how it begins and ends."""

from __future__ import annotations

import gc
import sys

from vye_pipeline.private_files import make_files_private

# What a command loads to begin with stays, and a short one makes no garbage: nothing to look for.
GARBAGE_THRESHOLD = 200_000


def main() -> None:
    """Runs a command and ends the process with its exit code; errors are one line on stderr."""
    make_files_private()
    gc.set_threshold(GARBAGE_THRESHOLD)
    from vye_pipeline.cli.commands import run

    code = run(sys.argv[1:])
    gc.freeze()  # else the interpreter looks through all of it once more before it ends
    sys.exit(code)


if __name__ == "__main__":
    main()
