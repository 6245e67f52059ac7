"""Arrows between packages run one way: what stands higher never imports what stands lower."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vye_pipeline

PACKAGE = Path(vye_pipeline.__file__).parent
# From the bottom of the house to its top; docs/architecture.md draws the same order.
LAYERS = (
    ("errors", "business_days"),
    (
        "settings",
        "retries",
        "in_flight",
        "kms",
        "containment",
        "personal_data",
        "outlets",
        "actor",
        "cleartext",
        "private_files",
    ),
    ("columns",),
    ("sql",),
    ("records",),
    ("storage",),
    ("bdn",),
    ("vye_database",),
    ("ledger",),
    ("context",),
    ("egress",),
    ("reconciliation",),
    ("recovery",),
    ("reporting",),
    ("alerting",),
    ("orchestration", "definitions"),
    ("simulation",),
    ("cli", "__main__"),
)
HEIGHT = {room: height for height, rooms in enumerate(LAYERS) for room in rooms}
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def rooms_imported(module: Path) -> set[str]:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    names = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.startswith("vye_pipeline.")
    }
    return {name.split(".")[1] for name in names}


def test_every_module_has_a_room() -> None:
    assert {room_of(module) for module in MODULES} - {"__init__"} == set(HEIGHT)


@pytest.mark.parametrize("module", [one for one in MODULES if one.name != "__init__.py"], ids=str)
def test_no_module_imports_from_a_room_above_its_own(module: Path) -> None:
    own = HEIGHT[room_of(module)]
    assert {room for room in rooms_imported(module) if HEIGHT[room] > own} == set()
