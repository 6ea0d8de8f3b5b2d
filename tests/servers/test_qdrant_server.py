"""Qdrant's dialect where the server wants a key, ends, or is one of two services."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import qdrant
from servers.process import Server, free_port
from tests.servers.store_clients import Qdrant
from tests.servers.whole_runs import loadgen, n_answered, run_recipe, start_recipe, wait_until

pytestmark = pytest.mark.timeout(400)

KEY = "key-of-nobody-7391"
SMALL = {"vectors": 400, "dimensions": 16}


@pytest.fixture
def start(tmp_path: Path, need: Callable[[object, str], object]) -> Iterator[Callable[..., Server]]:
    """start(api_key=…) starts one for this test."""
    need(qdrant.find(), "qdrant is not installed: python -m servers install qdrant")
    running: list[Server] = []

    def start_one(**options: str) -> Server:
        running.append(qdrant.start(free_port(), tmp_path / "server", **options))
        return running[-1]

    yield start_one
    for server in running:
        server.stop()


def recipe(server: Server, service: dict[str, Any] | None = None, **load: Any) -> dict[str, Any]:
    service = {"kind": "qdrant", "url": server.url, **(service or {})}
    return {"service": service, "workload": SMALL, "load": {"requests": 100, "warmup_s": 0, **load}}


def test_a_key_lets_in_and_is_written_nowhere(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(api_key=KEY)
    ran = run_recipe(tmp_path / "run", recipe(server, {"api_key": KEY}))
    assert ran.exit_code == 0, ran.stderr
    (tmp_path / "run" / "recipe.yaml").unlink()
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("service", "hint"), [({}, "set service.api_key"), ({"api_key": "wrong-key-1"}, "not accepted")]
)
def test_without_the_right_key_nothing_begins(
    service: dict[str, Any], hint: str, start: Callable[..., Server], tmp_path: Path
) -> None:
    ran = run_recipe(tmp_path, recipe(start(api_key=KEY), service))
    assert ran.exit_code == 3
    assert hint in ran.stderr
    assert "wrong-key-1" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_run_that_is_stopped_leaves_no_collection(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start()
    endless = recipe(server)
    endless["load"] = {"duration_s": 300}
    process = start_recipe(tmp_path / "run", endless)
    wait_until(lambda: n_answered(tmp_path / "run") > 0)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert Qdrant(server.url).count("loadgen") is None


def test_a_server_that_ends_leaves_a_bundle_that_says_so(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start()
    endless = recipe(server)
    endless["load"] = {"duration_s": 300, "give_up_s": 1}
    process = start_recipe(tmp_path / "run", endless)
    wait_until(lambda: n_answered(tmp_path / "run") > 0)
    server.stop()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    (written,) = (tmp_path / "run" / "results").glob("BM-*/run.json")
    assert json.loads(written.read_text())["status"] == "failed"


def test_the_servers_own_metrics_are_recorded(start: Callable[..., Server], tmp_path: Path) -> None:
    asked = recipe(start())
    asked["load"] = {"duration_s": 3}
    ran = run_recipe(tmp_path, asked)
    assert ran.exit_code == 0, ran.stderr
    (kept,) = (ran.bundle / "monitor").glob("server*.jsonl")
    samples = [json.loads(line) for line in kept.read_text().splitlines()]
    assert any("collections_total" in json.dumps(sample) for sample in samples)


def test_two_services_are_loaded_at_once(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start()
    both = {
        "services": {"llm": {"kind": "simulator", "ttft_ms": 5, "itl_ms": 1}, "vectors": recipe(server)["service"]},
        "workloads": {"llm": {"output_tokens": 8}, "vectors": {**SMALL, "top_k": 5}},
        "loads": {name: {"requests": 60, "concurrency": 2, "warmup_s": 0} for name in ("llm", "vectors")},
        "slo": ["vectors.recall >= 0.99", "llm.p99_ttft < 30 s", "success_ratio >= 99 %"],
    }
    ran = run_recipe(tmp_path, both)
    assert ran.exit_code == 0, ran.stderr
    assert ran.summary["services"]["vectors"]["recall"]["mean"] == 1
    assert "recall" not in ran.summary["services"]["llm"]
    assert {line["service"] for line in ran.lines} == {"llm", "vectors"}


def test_the_shipped_sweep_leaves_a_bundle_a_point_and_one_report(start: Callable[..., Server], tmp_path: Path) -> None:
    places = ("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"))
    short = ("--set", "load.duration_s=1", "--set", "sweep.load.concurrency=[1, 2]", "--set", "workload.vectors=500")
    ran = loadgen("recipes/qdrant.yaml", "--quiet", "--set", f"service.url={start().url}", *short, *places)
    assert ran.returncode in (0, 1), ran.stderr  # 1: a busy machine may break a promise
    (report,) = (tmp_path / "reports").glob("sweep_*/report.json")
    points = json.loads(report.read_text())["points"]
    assert [point["axes"]["load.concurrency"] for point in points] == [1, 2]
    assert all(point["summary"]["recall"]["mean"] == 1 for point in points)
