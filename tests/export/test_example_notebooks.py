"""The notebooks of docs/examples run from their first cell to their last."""

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "examples").glob("*.ipynb"))


async def run_cells(cells: list[Any], name: str) -> dict[str, Any]:
    """As a kernel does: one namespace, `await` at the top level, and what a cell ends with is shown."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        tree = ast.parse(cell.source, f"{name}, code cell {number}")
        if isinstance(tree.body[-1], ast.Expr):
            tree.body[-1] = ast.Assign([ast.Name("_", ast.Store())], tree.body[-1].value)
        code = compile(
            ast.fix_missing_locations(tree), f"{name}, code cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
        done = eval(code, namespace)
        if inspect.isawaitable(done):
            await done
        repr(namespace.get("_"))
    return namespace


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells), "outputs are not kept"
    namespace = asyncio.run(run_cells(cells, path.name))
    plt.close("all")
    assert namespace["run"].summary["requests"]["succeeded"] > 0


def test_there_is_a_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["reading_a_run"]
