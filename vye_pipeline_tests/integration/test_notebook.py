"""docs/analysts.ipynb answers its questions, and prints what stands in it.

`make docs` writes its outputs and plots anew.
"""

from __future__ import annotations

import ast
import json
import sys
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from vye_pipeline.settings import CHECKOUT
from vye_pipeline_tests.integration.test_documentation import WRITE, outage

__all__ = ["outage"]

pytestmark = pytest.mark.long

NOTEBOOK = CHECKOUT / "docs" / "analysts.ipynb"
DEFINITIONS = "vye_pipeline.definitions"
TEXT, PICTURE = "text/plain", "image/png"


def outputs_of(cell: dict[str, Any], names: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a cell and returns its outputs as a notebook keeps them: plots, then the last value."""
    *statements, last = ast.parse("".join(cell["source"])).body
    value = None
    if not isinstance(last, ast.Expr):
        statements.append(last)
    exec(compile(ast.Module(statements, []), NOTEBOOK.name, "exec"), names)  # noqa: S102 - our own
    if isinstance(last, ast.Expr):
        ended = compile(ast.Expression(last.value), NOTEBOOK.name, "eval")
        value = eval(ended, names)  # noqa: S307 - our own
    plots = [_picture(plt.figure(number)) for number in plt.get_fignums()]
    plt.close("all")
    data = [] if value is None else [{TEXT: _words(value)}]
    return [
        *({"output_type": "display_data", "metadata": {}, "data": plot} for plot in plots),
        *(
            {"output_type": "execute_result", "metadata": {}, "execution_count": None, "data": one}
            for one in data
        ),
    ]


def _words(value: object) -> str:
    assert isinstance(value, pd.DataFrame)
    assert not value.empty
    return value.to_string()


def _picture(figure: Any) -> dict[str, str]:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return {PICTURE: b64encode(buffer.getvalue()).decode(), TEXT: "a plot"}


def texts(outputs: list[dict[str, Any]]) -> list[str]:
    return [str(one["data"][TEXT]) for one in outputs]


def test_it_answers_what_it_says(
    outage: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    mpl.use("Agg")
    monkeypatch.delitem(sys.modules, DEFINITIONS, raising=False)  # made for other settings
    monkeypatch.setenv("VYE_LOCAL_DIR", str(outage))
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        found = outputs_of(cell, names)
        if request.config.getoption(WRITE):
            cell["outputs"] = found
        assert texts(found) == texts(cell["outputs"])
    assert sum(bool(cell["outputs"]) for cell in cells) == 5
    if request.config.getoption(WRITE):
        content = json.dumps(notebook, indent=1, ensure_ascii=False)
        NOTEBOOK.write_text(f"{content}\n", encoding="utf-8")
