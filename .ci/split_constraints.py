"""Splits the pins: what production needs stays in constraints.txt, the rest is the developers'.

Run it after a pin was added or changed in either file; it goes by the metadata of the packages that
are installed. A folder may be given, else it is this one. All pins come from one resolution of all
extras, with hashes:
`uv pip compile --universal --all-extras --generate-hashes pyproject.toml`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
PRODUCTION, DEVELOPERS = ROOT / "constraints.txt", ROOT / "constraints-dev.txt"
BUILD = "setuptools"
ENVIRONMENTS = [
    {"sys_platform": platform, "python_version": version, "python_full_version": f"{version}.0"}
    for platform in ("linux", "darwin")
    for version in ("3.11", "3.12", "3.13")
]


def pins() -> list[tuple[str, str]]:
    """Returns names and pins with their hashes; a name may have a pin a version of Python."""
    files = [file.read_text(encoding="utf-8") for file in (PRODUCTION, DEVELOPERS) if file.exists()]
    blocks = re.split(r"^(?=[A-Za-z0-9])", "".join(files), flags=re.MULTILINE)
    named = [(canonicalize_name(block.partition("==")[0]), block) for block in blocks if block]
    return sorted(named)


def needed(requirement: Requirement, extras: frozenset[str] = frozenset({""})) -> bool:
    """Says whether a requirement holds on any platform, for some extras of what requires it."""
    return requirement.marker is None or any(
        requirement.marker.evaluate({**environment, "extra": extra})
        for environment in ENVIRONMENTS
        for extra in extras
    )


def closure(roots: list[Requirement]) -> set[str]:
    """Returns the names of all that some requirements need."""
    waiting, seen = list(roots), set[tuple[str, frozenset[str]]]()
    while waiting:
        one = waiting.pop()
        key = (canonicalize_name(one.name), frozenset({"", *one.extras}))
        if key in seen:
            continue
        seen.add(key)
        try:
            further = [Requirement(text) for text in requires(one.name) or []]
        except PackageNotFoundError:
            further = []  # it is for another platform
        waiting += [each for each in further if needed(each, key[1])]
    return {name for name, _ in seen}


def main() -> None:
    """Writes both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["production"], BUILD]
    production = closure([Requirement(text) for text in wanted])
    known = pins()
    for file, is_production in ((PRODUCTION, True), (DEVELOPERS, False)):
        chosen = [pin for name, pin in known if (name in production) == is_production]
        file.write_text("".join(chosen), encoding="utf-8")


if __name__ == "__main__":
    main()
