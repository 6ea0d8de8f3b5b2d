"""Chroma: what only a real index shows, and the recipes that are shipped for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servers.process import Server
from tests.servers.store_clients import Chroma
from tests.servers.whole_runs import loadgen, run_recipe

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def url(start_server: Callable[[str], Server]) -> str:
    return start_server("chroma").url


def recipe(url: str, workload: dict[str, Any], **service: Any) -> dict[str, Any]:
    return {
        "service": {"kind": "chroma", "url": url, **service},
        "workload": {"vectors": 3000, "dimensions": 64, **workload},
        "load": {"requests": 400, "warmup_s": 0, "concurrency": 2},
        "slo": ["recall >= 99.9 %"],
    }


def test_an_index_that_searches_little_misses_neighbours(url: str, tmp_path: Path) -> None:
    hasty = {"index": {"ef_search": 10, "ef_construction": 10, "max_neighbors": 4}, "collection": "hasty"}
    ran = run_recipe(tmp_path, recipe(url, hasty))
    assert ran.exit_code == 1, ran.stderr
    recall = ran.summary["recall"]
    assert recall["min"] <= recall["p1"] <= recall["p5"] <= 0.9
    assert 0.3 < recall["mean"] < 0.999
    missed = [line for line in ran.lines if line["n_hits"] < line["n_items"]]
    assert missed
    assert all(line["outcome"] == "ok" for line in missed)


def test_an_index_that_searches_widely_finds_nearly_all(url: str, tmp_path: Path) -> None:
    wide = {"index": {"ef_search": 400, "ef_construction": 200, "max_neighbors": 32}, "collection": "wide"}
    ran = run_recipe(tmp_path, recipe(url, wide))
    assert ran.summary["recall"]["mean"] > 0.99


@pytest.mark.parametrize(
    ("workload", "service", "said"),
    [
        ({"index": {"ef": 10}}, {}, "unknown field `ef`"),
        ({}, {"database": "no_such_base"}, "no_such_base"),
        ({"filter": {"$nope": 1}, "recall": False}, {}, "where clause"),
    ],
)
def test_what_chroma_refuses_is_one_line(
    workload: dict[str, Any], service: dict[str, Any], said: str, url: str, tmp_path: Path
) -> None:
    asked = recipe(url, {**workload, "collection": "refused"}, **service)
    del asked["slo"]
    ran = run_recipe(tmp_path, asked)
    assert ran.exit_code == 3, ran.stderr
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert Chroma(url).count("refused") is None


def shipped(name: str, folder: Path, *words: str) -> None:
    places = ("--results", str(folder / "results"), "--reports", str(folder / "reports"))
    ran = loadgen(f"recipes/{name}.yaml", "--quiet", *words, *places)
    assert ran.returncode in (0, 1), ran.stderr  # 1: a busy machine may break a promise
    for path in (folder / "results").glob("BM-*"):
        checked = loadgen("verify", path.name, *places[:2])
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_shipped_sweep_leaves_a_bundle_a_point_and_one_report(url: str, tmp_path: Path) -> None:
    short = ("--set", "load.duration_s=2", "--set", "sweep.load.concurrency=[1, 2]", "--set", "workload.vectors=1000")
    shipped("chroma", tmp_path, "--set", f"service.url={url}", *short)
    (report,) = (tmp_path / "reports").glob("sweep_*/report.json")
    points = json.loads(report.read_text())["points"]
    assert [point["axes"]["load.concurrency"] for point in points] == [1, 2]
    assert all(point["summary"]["recall"]["mean"] > 0.9 for point in points)


def test_the_shipped_pipeline_loads_a_model_and_a_store_at_once(url: str, tmp_path: Path) -> None:
    short = [word for name in ("llm", "vectors") for word in ("--set", f"loads.{name}.duration_s=3")]
    short += ["--set", "workloads.vectors.vectors=1000"]
    shipped("rag_pipeline", tmp_path, "--set", f"services.vectors.url={url}", *short)
    (summary,) = (tmp_path / "results").glob("BM-*/summary.json")
    services = json.loads(summary.read_text())["services"]
    assert services["vectors"]["recall"]["mean"] > 0.9
    assert services["llm"]["requests"]["succeeded"] > 0
