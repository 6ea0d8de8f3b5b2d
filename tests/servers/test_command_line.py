"""The command line against real servers: a sweep, running it again, a wrong model, a dead server."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from servers.process import Server, free_port

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parent.parent.parent
SWEPT = [pytest.param("ollama", marks=pytest.mark.heavy), pytest.param("vllm", marks=pytest.mark.heavy)]
N_POINTS = 3
QUIET_RC = {0, 1}  # 1: an SLO failed, which on a busy machine says nothing about loadgen


class Ran(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def loadgen(folder: Path, *words: str) -> Ran:
    places = ("--results", str(folder / "results"), "--reports", str(folder / "reports"))
    done = subprocess.run(
        [sys.executable, "-m", "loadgen", *words, *places],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def bundles_of(folder: Path) -> list[Path]:
    return sorted((folder / "results").glob("BM-*"))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module", params=SWEPT)
def swept(
    request: pytest.FixtureRequest, start_server: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder in which the shipped sweep of this server ran, shortened."""
    server, folder = start_server(request.param), tmp_path_factory.mktemp("sweep")
    short = ("--set", "load.duration_s=4", "--set", "load.warmup_requests=1", "--set", "workload.output_tokens=12")
    ran = loadgen(folder, f"recipes/{server.name}_sweep.yaml", "--set", f"service.url={server.url}", *short)
    assert ran.exit_code in QUIET_RC, ran.stderr
    return folder


def test_a_sweep_leaves_a_bundle_a_point_that_verifies(swept: Path) -> None:
    bundles = bundles_of(swept)
    assert [read_json(path / "run.json")["status"] for path in bundles] == ["complete"] * N_POINTS
    for path in bundles:
        ran = loadgen(swept, "verify", path.name)
        assert ran.exit_code == 0, ran.stdout + ran.stderr


def test_a_sweep_leaves_one_report_with_every_point(swept: Path) -> None:
    first, last = bundles_of(swept)[0].name, bundles_of(swept)[N_POINTS - 1].name
    folder = swept / "reports" / f"sweep_{first}_{last}"
    report = read_json(folder / "report.json")
    assert [point["axes"]["load.concurrency"] for point in report["points"]] == [1, 2, 4]
    assert all(point["summary"]["requests"]["succeeded"] > 0 for point in report["points"])
    assert (folder / "report.md").stat().st_size > 0
    assert list((folder / "plots").glob("*.png"))


def test_a_real_service_says_who_it_is_in_run_json(swept: Path) -> None:
    service = read_json(bundles_of(swept)[0] / "run.json")["service"]
    assert service["version"]
    assert service["model"]


def test_a_run_is_repeated_with_the_same_plan(swept: Path) -> None:
    first = bundles_of(swept)[0]
    before = set(bundles_of(swept))
    ran = loadgen(swept, "--rerun", first.name)
    assert ran.exit_code in QUIET_RC, ran.stderr
    (again,) = set(bundles_of(swept)) - before
    old, new = read_json(first / "run.json"), read_json(again / "run.json")
    assert new["rerun_of"] == first.name
    assert new["recipe_hash"] == old["recipe_hash"]
    assert new["plan"]["digest"] == old["plan"]["digest"]


def write_recipe(folder: Path, url: str, model: str) -> str:
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        json.dumps(
            {"service": {"kind": "openai", "url": url, "model": model}, "load": {"requests": 4, "concurrency": 2}}
        )
    )
    return str(recipe)


@pytest.mark.heavy
def test_a_model_that_is_not_there_is_one_line_that_names_those_that_are(
    start_server: Callable[[str], Server], tmp_path: Path
) -> None:
    server = start_server("ollama")
    ran = loadgen(tmp_path, write_recipe(tmp_path, server.url, "no-such-model"), "--quiet")
    assert ran.exit_code == 3
    assert "no-such-model" in ran.stderr
    assert server.model in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_dead_server_is_one_line(tmp_path: Path) -> None:
    ran = loadgen(tmp_path, write_recipe(tmp_path, f"http://127.0.0.1:{free_port()}", "any"), "--quiet")
    assert ran.exit_code == 3
    assert len(ran.stderr.strip().splitlines()) == 1
