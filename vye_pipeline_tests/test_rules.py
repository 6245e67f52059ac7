"""The rules of architecture.md that can be read off the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vye_pipeline

PACKAGE = Path(vye_pipeline.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
PURE = [
    path
    for path in MODULES
    if path.parts[0] == "records"
    or path.as_posix()
    in {"business_days.py", "reconciliation/diff.py", "reconciliation/matching.py"}
]
INPUT_OUTPUT = {"os", "pathlib", "socket", "sqlalchemy", "boto3", "time", "random", "subprocess"}


def tree(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def imported(module: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_the_edge_imports_dagster(module: Path) -> None:
    is_edge = module.parts[0] == "orchestration" or module.name == "definitions.py"
    assert is_edge or "dagster" not in imported(module)


@pytest.mark.parametrize("module", PURE, ids=str)
def test_pure_modules_do_no_io_and_read_no_clock(module: Path) -> None:
    assert not imported(module) & INPUT_OUTPUT
    calls = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert not calls & {"now", "utcnow", "today"}


@pytest.mark.parametrize("module", PURE, ids=str)
def test_no_loop_goes_over_records(module: Path) -> None:
    calls = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert not calls & {"iterrows", "itertuples", "apply", "to_pylist"}
