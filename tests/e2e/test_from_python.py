"""What a script or a notebook does."""

import asyncio
import json
from pathlib import Path

import pytest

import loadgen
from loadgen.errors import RecipeError

RECIPE = {
    "service": {"kind": "simulator", "ttft_ms": 2, "itl_ms": 1},
    "workload": {"output_tokens": 4, "prompts": {"input_tokens": 4}},
    "load": {"requests": 5},
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_run_gives_the_bundle_and_the_report() -> None:
    result = loadgen.run(RECIPE)
    assert result.exit_code == 0
    assert result.bundle.summary is not None
    assert result.bundle.summary["requests"]["succeeded"] == 5
    assert result.report is not None
    assert (result.report / "report.md").is_file()
    assert loadgen.open_bundle("latest", Path("results")).id == result.bundle.id


def test_arun_runs_in_a_loop_that_is_there_already() -> None:
    async def notebook() -> loadgen.Result:
        return await loadgen.arun(RECIPE, results="here", reports="there")

    result = asyncio.run(notebook())
    assert [path.name for path in Path("here").iterdir()] == [result.bundle.id]
    assert Path("there", result.bundle.id).is_dir()


def test_path_and_recipe_are_taken_too() -> None:
    Path("r.yaml").write_text(json.dumps(RECIPE))
    from_path = loadgen.run("r.yaml", overrides={"name": "simulator"})
    from_recipe = loadgen.run(loadgen.load_recipe("r.yaml", {"name": "simulator"}))
    hashes = {result.bundle.run["recipe_hash"] for result in (from_path, from_recipe, loadgen.run(RECIPE))}
    assert len(hashes) == 1


def test_mistakes_are_an_exception_with_all_lines() -> None:
    with pytest.raises(RecipeError) as caught:
        loadgen.run({"service": {"kind": "simulator"}, "load": {"concurrency": 0}, "slo": ["fast"]})
    assert len(str(caught.value).splitlines()) == 2


def test_version_is_there_and_other_names_are_not() -> None:
    assert loadgen.__version__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = loadgen.nonsense
