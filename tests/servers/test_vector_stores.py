"""Whole runs against Chroma and Qdrant's dialect, as a person starts them; what is left is asked of the store."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.engine.contract import KEY_DTYPE
from loadgen.recipe import recipe_from_dict
from loadgen.targets import target_for
from loadgen.targets.base import Finding
from servers.process import Server
from tests.servers.store_clients import CLIENTS, StoreClient
from tests.servers.whole_runs import Ran, loadgen, run_recipe

pytestmark = pytest.mark.timeout(400)  # each test starts loadgen up to three times, on a machine that may be busy

N = 400
SMALL = {"vectors": N, "dimensions": 16}
RECALL = {"qdrant": 1.0, "chroma": 0.9}
"""Qdrant's stand-in searches exactly; Chroma has an index."""

PAGE_OF = {"chroma": "n_results", "qdrant": "limit"}
"""What a query says how many it wants with."""


@pytest.fixture(params=["qdrant", pytest.param("chroma", marks=pytest.mark.heavy)])
def store(request: pytest.FixtureRequest, start_server: Callable[[str], Server]) -> StoreClient:
    return CLIENTS[request.param](start_server(request.param).url)


@pytest.fixture
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A collection of this test's own."""
    return f"c-{abs(hash(str(tmp_path)))}"


def recipe(store: StoreClient, name: str, workload: dict[str, Any], **sections: Any) -> dict[str, Any]:
    load = {"concurrency": 2, "requests": 300, "warmup_s": 0, **sections.pop("load", {})}
    service = {"kind": store.kind, "url": store.url}
    return {"service": service, "workload": {**SMALL, "collection": name, **workload}, "load": load, **sections}


def refused(ran: Ran) -> str:
    """The one line of a run that could not begin."""
    assert ran.exit_code == 3, ran.stderr
    (line,) = ran.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_every_operation_is_measured_checked_and_cleared_away(
    engine: str, store: StoreClient, name: str, tmp_path: Path
) -> None:
    mix = {"operations": {"query": 40, "upsert": 20, "get": 20, "delete": 20}}
    promises = [f"recall >= {RECALL[store.kind]}"]
    ran = run_recipe(tmp_path, recipe(store, name, mix, load={"engine": engine}, slo=promises))
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 300}
    recall = ran.summary["recall"]
    assert RECALL[store.kind] <= recall["mean"] <= 1
    assert recall["n"] == sum(line["operation"] == "query" for line in ran.lines) > 0
    assert [(what, n_wrong) for what, _, n_wrong in ran.findings] == [("upserts", 0), ("deletes", 0)]
    assert all(n_checked > 0 for _, n_checked, _ in ran.findings)
    assert {line["n_items"] for line in ran.lines if line["operation"] == "query"} == {10}
    assert all(line["checked"] for line in ran.lines if line["operation"] == "get")
    assert ran.run["service"]["version"]
    assert store.count(name) is None


def test_a_filter_lets_through_its_group_only(store: StoreClient, name: str, tmp_path: Path) -> None:
    ran = run_recipe(tmp_path, recipe(store, name, {"filter": {"group": 7}}))
    assert ran.exit_code == 0, ran.stderr
    assert ran.summary["recall"]["mean"] >= RECALL[store.kind]


def test_recall_is_a_promise_that_can_be_broken(store: StoreClient, name: str, tmp_path: Path) -> None:
    half = {"options": {PAGE_OF[store.kind]: 5}}
    ran = run_recipe(tmp_path, recipe(store, name, half, slo=["recall >= 0.9"]))
    assert ran.exit_code == 1, ran.stderr
    assert ran.summary["recall"]["mean"] == pytest.approx(0.5, abs=0.05)
    assert [one["verdict"] for one in ran.summary["slo"]] == ["FAIL"]


@pytest.mark.parametrize("distance", ["l2", "ip"])
def test_neighbours_are_true_by_the_stores_own_measure(
    distance: str, store: StoreClient, name: str, tmp_path: Path
) -> None:
    ran = run_recipe(tmp_path, recipe(store, name, {"distance": distance}, load={"requests": 100}))
    assert ran.exit_code == 0, ran.stderr
    assert ran.summary["recall"]["mean"] >= RECALL[store.kind]


def test_upserts_of_several_are_all_there_afterwards(store: StoreClient, name: str, tmp_path: Path) -> None:
    several = {"operation": "upsert", "batch": 20, "keep": True}
    ran = run_recipe(tmp_path, recipe(store, name, several, load={"requests": 30}))
    assert ran.exit_code == 0, ran.stderr
    ((what, n_checked, n_wrong),) = ran.findings
    assert (what, n_wrong) == ("upserts", 0)
    assert n_checked == 30 * 20
    assert store.count(name) == N + 30 * 20


def test_a_kept_collection_is_used_again_and_made_anew_where_that_is_not_asked(
    store: StoreClient, name: str, tmp_path: Path
) -> None:
    kept = recipe(store, name, {"keep": True})
    assert run_recipe(tmp_path / "first", kept).exit_code == 0
    assert store.count(name) == N
    store.write(name, N + 5, [1.0] * 16)  # only a collection that is not made anew still has it
    again = run_recipe(tmp_path / "again", recipe(store, name, {"reuse": True}))
    assert again.exit_code == 0, again.stderr
    assert any("was there already" in note for note in again.run["notes"])
    assert again.summary["recall"]["mean"] >= RECALL[store.kind]
    assert store.count(name) == N + 1
    anew = run_recipe(tmp_path / "anew", kept)
    assert any("made anew" in note for note in anew.run["notes"])
    assert store.count(name) == N


def test_anothers_collection_is_neither_removed_nor_written_into(store: StoreClient, name: str, tmp_path: Path) -> None:
    store.make(name, 16)
    store.write(name, 3, [1.0] * 16)
    line = refused(run_recipe(tmp_path / "refused", recipe(store, name, {})))
    assert name in line
    assert "workload.reuse: true" in line
    assert store.count(name) == 1
    used = run_recipe(tmp_path / "used", recipe(store, name, {"reuse": True}))
    assert used.exit_code == 0, used.stderr
    assert store.count(name) == N


def test_a_collection_of_other_dimensions_is_refused(store: StoreClient, name: str, tmp_path: Path) -> None:
    store.make(name, 4)
    line = refused(run_recipe(tmp_path, recipe(store, name, {"reuse": True})))
    assert "4 dimensions" in line
    assert "16" in line
    assert store.count(name) == 0


def test_a_collection_of_another_distance_is_refused(store: StoreClient, name: str, tmp_path: Path) -> None:
    store.make(name, 16)
    line = refused(run_recipe(tmp_path, recipe(store, name, {"reuse": True, "distance": "l2"})))
    assert "has the distance cosine, the recipe says l2" in line


def test_what_the_store_refuses_is_said_before_the_load(store: StoreClient, name: str, tmp_path: Path) -> None:
    nonsense = {"options": {PAGE_OF[store.kind]: "many"}}
    line = refused(run_recipe(tmp_path, recipe(store, name, nonsense)))
    assert re.search(r"/query is answered with 4\d\d: .*(limit|n_results|n results)", line), line
    assert store.count(name) is None


@pytest.mark.parametrize("kind", ["qdrant", "chroma"])
def test_a_server_of_another_kind_is_one_line(kind: str, start_server: Callable[[str], Server], tmp_path: Path) -> None:
    other = start_server("nginx" if kind == "qdrant" else "qdrant")
    line = refused(run_recipe(tmp_path, {"service": {"kind": kind, "url": other.url}, "load": {"requests": 5}}))
    assert f"no {kind.capitalize()}" in line


def write_vecs(path: Path, rows: Any) -> str:
    counted = np.column_stack((np.full(len(rows), rows.shape[1], "<i4"), rows.view("<i4")))
    counted.astype("<i4").tofile(path)
    return str(path)


def test_vectors_and_their_neighbours_come_out_of_files(store: StoreClient, name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    base, queries = rng.random((N, 8)).astype("<f4"), rng.random((20, 8)).astype("<f4")
    away = ((queries[:, None].astype("f8") - base[None]) ** 2).sum(axis=2)
    files = {
        "path": write_vecs(tmp_path / "base.fvecs", base),
        "queries": write_vecs(tmp_path / "queries.fvecs", queries),
        "neighbours": write_vecs(tmp_path / "near.ivecs", away.argsort(axis=1)[:, :10].astype("<i4")),
    }
    asked = recipe(store, name, {"vectors": files, "distance": "l2", "dimensions": 8}, load={"requests": 60})
    ran = run_recipe(tmp_path / "run", asked)
    assert ran.exit_code == 0, ran.stderr
    assert ran.summary["recall"]["mean"] >= RECALL[store.kind]
    assert ran.run["plan"]["dataset"]["name"] == "base.fvecs"


def test_a_run_is_repeated_with_the_same_plan(store: StoreClient, name: str, tmp_path: Path) -> None:
    first = run_recipe(tmp_path, recipe(store, name, {}))
    places = ("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"))
    again = loadgen("--rerun", first.bundle.name, "--quiet", *places)
    assert again.returncode == 0, again.stderr
    plans = [json.loads(path.read_text())["plan"] for path in (tmp_path / "results").glob("BM-*/run.json")]
    assert len(plans) == 2
    assert plans[0] == plans[1]


def findings(store: StoreClient, name: str, workload: dict[str, Any], keys: Any) -> tuple[Finding, ...]:
    """What the target finds in a collection that a run of 300 requests kept, given what the engine knew of its keys."""
    target = target_for(recipe_from_dict(recipe(store, name, {**workload, "reuse": True})))

    async def look() -> tuple[Finding, ...]:
        target.work(300)
        await target.prepare()
        return await target.check(keys)

    return asyncio.run(look())


def test_upserts_that_are_gone_or_changed_are_found(store: StoreClient, name: str, tmp_path: Path) -> None:
    work = {"operation": "upsert", "keep": True}
    assert run_recipe(tmp_path, recipe(store, name, work)).exit_code == 0
    keys = np.zeros(N + 300, KEY_DTYPE)
    keys["floor"][N : N + 50] = 7  # acknowledged: these fifty
    assert [one.n_wrong for one in findings(store, name, work, keys)] == [0]
    store.delete(name, N + 10)
    store.write(name, N + 20, [1.0] + [-1.0] * 15)
    store.delete(name, N + 100)  # nobody was told that it is there
    (found,) = findings(store, name, work, keys)
    assert (found.n_checked, found.n_wrong) == (50, 2)
    assert f"{N + 10}, {N + 20}" in found.text


def test_deletes_that_were_not_done_are_found(store: StoreClient, name: str, tmp_path: Path) -> None:
    work = {"operation": "delete", "keep": True}
    assert run_recipe(tmp_path, recipe(store, name, work)).exit_code == 0
    first_key = N + 300  # behind the vectors and what was filled for the deletes
    keys = np.zeros(first_key + 300, KEY_DTYPE)
    for field in ("floor", "latest_delete"):
        keys[field][first_key : first_key + 50] = 9  # acknowledged: these fifty
    assert [one.n_wrong for one in findings(store, name, work, keys)] == [0]
    store.write(name, N + 5, [1.0] * 16)
    (found,) = findings(store, name, work, keys)
    assert (found.n_checked, found.n_wrong) == (50, 1)
    assert f"still there: {N + 5}" in found.text
