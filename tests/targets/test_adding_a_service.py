"""docs/adding-a-service.md: its example is a package of its own, found by its entry point, and runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.example_target.shelf_server import Shelf, serving

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-service.md"
EXAMPLE = ROOT / "tests" / "example_target" / "loadgen_shelf.py"

RECIPE = {
    "workload": {"operations": {"get": 3, "put": 1}, "keys": 50},
    "load": {"concurrency": 4, "requests": 400},
    "slo": ["success_ratio >= 99 %"],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for sys.path that holds what `pip install` would have put there, its module taken out of the page."""
    folder = tmp_path_factory.mktemp("site")
    code = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```\n")[0]
    (folder / "loadgen_shelf.py").write_text(code)
    facts = folder / "loadgen_shelf-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: loadgen-shelf\nVersion: 1.0\n")
    entry = PAGE.read_text(encoding="utf-8").partition('"loadgen.targets"]\n')[2].partition("\n")[0]
    (facts / "entry_points.txt").write_text(f"[loadgen.targets]\n{entry.replace(chr(34), '')}\n")
    return folder


def loadgen(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(installed), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "loadgen", *words],
        env={**os.environ, "PYTHONPATH": paths}, cwd=folder, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def summary_of(installed: Path, folder: Path, shelf: Shelf, engine: str) -> dict[str, Any]:
    recipe = {**RECIPE, "service": {"kind": "shelf", "url": shelf.url}, "load": {**RECIPE["load"], "engine": engine}}  # type: ignore[dict-item]
    (folder / "shelf.yaml").write_text(json.dumps(recipe))
    done = loadgen(installed, folder, "run", "shelf.yaml", "--json", "--quiet")
    assert done.returncode in (0, 1), done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_the_page_holds_the_example_as_it_is() -> None:
    assert f"```python\n{EXAMPLE.read_text(encoding='utf-8')}```\n" in PAGE.read_text(encoding="utf-8")


def test_the_example_is_shorter_than_the_page_promises() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 150


def test_an_installed_package_adds_its_kind(installed: Path, tmp_path: Path) -> None:
    lines = loadgen(installed, tmp_path, "services").stdout.splitlines()
    assert [line.split() for line in lines if "shelf" in line] == [
        ["shelf", "loadgen-shelf", "Shelf,", "a", "store", "of", "documents"]
    ]
    assert "| `value_bytes` | whole number ≥ 1 | 256 |" in loadgen(installed, tmp_path, "services", "shelf").stdout
    schema = json.loads(loadgen(installed, tmp_path, "schema").stdout)
    assert "shelf" in schema["properties"]["service"]["properties"]["kind"]["enum"]


def test_a_mistake_in_a_recipe_of_it_is_named_with_its_line(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("service: {kind: shelf, url: http://h}\nworkload:\n  value_bytes: 5\n")
    done = loadgen(installed, tmp_path, "check", "r.yaml")
    assert (done.returncode, done.stderr) == (2, "r.yaml:3: workload.value_bytes: must be >= 38 to be checked, got 5\n")


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_a_recipe_of_it_fills_runs_and_checks(installed: Path, tmp_path: Path, engine: str) -> None:
    with serving(Shelf()) as shelf:
        summary = summary_of(installed, tmp_path, shelf, engine)
    assert len(shelf.documents) == 50
    assert summary["requests"]["succeeded"] == 400
    n_got = summary["by_operation"]["get"]["requests"]["succeeded"]
    assert (summary["checked"], summary["wrong"]) == (n_got, 0)
    run = json.loads(next((tmp_path / "results").glob("BM-*/run.json")).read_text())
    assert (run["service"]["kind"], run["service"]["version"]) == ("shelf", "1.5")


def test_a_store_that_loses_what_it_acknowledged_is_found_out(installed: Path, tmp_path: Path) -> None:
    with serving(Shelf(forgets={f"/docs/{key:012}" for key in range(5)})) as shelf:
        summary = summary_of(installed, tmp_path, shelf, "portable")
    assert summary["wrong"] > 0
    assert summary["requests"]["by_outcome"]["wrong_answer"] == summary["wrong"]


BROKEN = {
    "raise RuntimeError('two\\nlines')": "comes with loadgen-broken, which cannot be imported: RuntimeError: two lines",
    "KIND = 5": "comes with loadgen-broken, where broken_kind:KIND is no loadgen.recipe.kinds.Kind",
    "import no_such_package": "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
}


@pytest.mark.parametrize(("code", "line"), BROKEN.items(), ids=["raises", "no kind", "lacks a package"])
def test_a_package_that_is_broken_is_said_in_one_line(tmp_path: Path, code: str, line: str) -> None:
    (tmp_path / "broken_kind.py").write_text(code)
    facts = tmp_path / "loadgen_broken-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: loadgen-broken\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[loadgen.targets]\nbroken = broken_kind:KIND\n")
    (tmp_path / "r.yaml").write_text("service: {kind: broken}")
    done = loadgen(tmp_path, tmp_path, "check", "r.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("r.yaml:1: service.kind: broken comes with loadgen-broken, ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot be used: broken comes with" in loadgen(tmp_path, tmp_path, "services").stdout
