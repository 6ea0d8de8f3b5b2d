"""What a recipe may say of a vector store's work, and which vectors, numbers and requests follow from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.recipe import recipe_from_dict
from loadgen.recipe.model import Recipe
from loadgen.targets.vector_store.dataset import VectorSet, build_vector_set
from loadgen.targets.vector_store.points import build_numbers, n_payloads
from loadgen.targets.vector_store.recipe import VectorWorkload
from loadgen.targets.vectors import distances, exact_neighbours


def recipe(**workload: Any) -> Recipe:
    return recipe_from_dict({"service": {"kind": "qdrant"}, "workload": workload})


def workload(**fields: Any) -> VectorWorkload:
    found = recipe(**fields).workload
    assert isinstance(found, VectorWorkload)
    return found


def test_a_recipe_without_a_workload_queries_ten_thousand_vectors() -> None:
    usual = workload()
    assert usual.weights == {"query": 1.0}
    assert (usual.vectors, usual.top_k, usual.distance, usual.recall) == (10_000, 10, "cosine", True)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"operation": "query", "operations": {"query": 1}}, "give either this or operation"),
    ({"operations": {"search": 1}}, "workload.operations"),
    ({"vectors": 5}, "workload.top_k: must be <= vectors (5), got 10"),
    ({"vectors": 0}, "workload.vectors"),
    ({"vectors": {"path": "a.npy", "neighbours": "n.ivecs"}}, "are those of queries"),
    ({"vectors": {}}, "workload.vectors.path: is missing"),
    ({"filter": {"colour": "red"}}, "for others set recall: false"),
    ({"filter": {"group": 10}}, "for others set recall: false"),
    ({"filter": {"group": True}}, "for others set recall: false"),
    (
        {"filter": {"group": 1}, "vectors": {"path": "a.npy", "queries": "q.npy", "neighbours": "n.ivecs"}},
        "leave out neighbours",
    ),
    ({"collection": "ab"}, "must have 3 to 200 letters"),
    ({"collection": "a/../b"}, "must have 3 to 200 letters"),
    ({"collection": "{key}"}, "must have 3 to 200 letters"),
    ({"distance": "manhattan"}, "workload.distance"),
    ({"batch": 0}, "workload.batch"),
]


@pytest.mark.parametrize(("fields", "said"), MISTAKES, ids=[str(fields) for fields, _ in MISTAKES])
def test_a_mistake_is_found_before_anything_is_sent(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe(**fields)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_filter_of_the_stores_own_is_taken_without_recall() -> None:
    found = workload(filter={"must": [{"key": "group", "range": {"gte": 5}}]}, recall=False)
    assert found.group is None


def test_more_neighbours_than_a_filter_lets_through_are_a_mistake() -> None:
    with pytest.raises(RecipeError, match="must be <= 2, there are no more vectors in group 9; got 3"):
        build_vector_set(workload(vectors=29, dimensions=4, top_k=3, filter={"group": 9}), 0, 10, 0, 0)


def build(seed: int = 0, n_upserts: int = 200, n_spares: int = 100, **fields: Any) -> VectorSet:
    return build_vector_set(workload(**{"vectors": 500, "dimensions": 32, **fields}), seed, 50, n_upserts, n_spares)


@pytest.mark.parametrize("distance", ["cosine", "l2", "ip"])
def test_what_comes_while_the_load_goes_on_is_no_querys_neighbour(distance: str) -> None:
    drawn = build(distance=distance)
    assert drawn.is_harmless
    assert drawn.neighbours is not None
    everything = np.concatenate((drawn.base, drawn.upserts, drawn.spares))
    found = exact_neighbours(everything, drawn.queries, 10, distance)  # type: ignore[arg-type]
    assert found.tolist() == drawn.neighbours.tolist()


def test_where_nothing_is_harmless_it_is_said() -> None:
    crowded = build(dimensions=1, distance="cosine", vectors=500)
    assert not crowded.is_harmless
    assert crowded.upserts.shape == (200, 1)


def test_neighbours_are_those_that_the_filter_lets_through() -> None:
    drawn = build(filter={"group": 4})
    assert drawn.neighbours is not None
    assert (drawn.neighbours % 10 == 4).all()


def test_without_recall_no_neighbours_are_computed() -> None:
    assert build(recall=False).neighbours is None
    assert build(operation="get").neighbours is None


def test_there_are_no_more_spares_than_vectors() -> None:
    assert len(build(n_spares=10_000).spares) == 500


def write_vecs(path: Path, rows: Any) -> str:
    counted = np.column_stack((np.full(len(rows), rows.shape[1], "<i4"), rows.view("<i4")))
    counted.astype("<i4").tofile(path)
    return str(path)


def files(folder: Path, neighbours: Any, n_queries: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    base = write_vecs(folder / "base.fvecs", rng.random((20, 4)).astype("<f4"))
    queries = write_vecs(folder / "queries.fvecs", rng.random((n_queries, 4)).astype("<f4"))
    near = write_vecs(folder / "near.ivecs", np.array(neighbours, "<i4"))
    return {"vectors": {"path": base, "queries": queries, "neighbours": near}, "top_k": 2, "distance": "l2"}


def test_neighbours_of_a_file_are_taken_as_they_are(tmp_path: Path) -> None:
    near = [[5, 1, 2], [3, 4, 9], [19, 0, 1]]
    found = build_vector_set(workload(**files(tmp_path, near)), 0, 1000, 0, 0)
    assert found.neighbours is not None
    assert found.neighbours.tolist() == [[5, 1], [3, 4], [19, 0]]
    assert found.name == "base.fvecs"
    assert found.dimensions == 4


@pytest.mark.parametrize(
    ("near", "said"),
    [
        ([[1, 2], [3, 4]], "has 2 rows, and"),
        ([[1], [2], [3]], "has 1 neighbours a query, and workload.top_k is 2"),
        ([[1, 2], [3, 4], [5, 20]], "names row 20, and"),
    ],
)
def test_neighbours_that_do_not_fit_are_one_line(near: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as raised:
        build_vector_set(workload(**files(tmp_path, near)), 0, 1000, 0, 0)
    assert said in str(raised.value)
    assert "near.ivecs" in str(raised.value)


def test_queries_of_other_dimensions_are_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", np.ones((20, 4)))
    np.save(tmp_path / "queries.npy", np.ones((2, 5)))
    vectors = {"path": str(tmp_path / "base.npy"), "queries": str(tmp_path / "queries.npy")}
    with pytest.raises(RecipeError, match=r"its vectors have 5 dimensions, those of .* 4"):
        build_vector_set(workload(vectors=vectors), 0, 10, 0, 0)


def test_the_same_recipe_has_the_same_vectors() -> None:
    assert build(seed=3).sha256 == build(seed=3).sha256
    assert build(seed=3).sha256 != build(seed=4).sha256


def test_numbers_of_what_is_brought_lie_above_those_of_the_fill() -> None:
    numbers = build_numbers(workload(operations={"upsert": 1, "delete": 1}), 500, 30, 100)
    drawn = numbers.values()(0, 100)
    assert drawn[:, 0].tolist() == list(range(530, 630))
    assert set(drawn[:, 1].tolist()) == set(range(500, 530))
    assert numbers.n_keys == 530 + 120


def test_a_deletes_key_tells_what_it_deleted_however_long_the_run() -> None:
    numbers = build_numbers(workload(operation="delete"), 500, 30, 100)
    drawn = numbers.values()(0, 1000)
    assert [numbers.spare_of(int(key)) for key in drawn[:, 0]] == drawn[:, 1].tolist()


def test_draws_do_not_depend_on_how_they_are_asked_for() -> None:
    draw = build_numbers(workload(operations={"upsert": 1, "delete": 1}), 500, 30, None).values()
    assert np.concatenate((draw(0, 7), draw(7, 50))).tolist() == draw(0, 57).tolist()


def test_upserts_of_several_bring_numbers_of_their_own() -> None:
    asked = workload(operation="upsert", batch=50)
    numbers = build_numbers(asked, 500, 0, None)
    assert numbers.n_batches == n_payloads(asked, "upsert", None) == 200
    brought = {numbers.of_batch(payload) + i for payload in range(200) for i in range(50)}
    assert brought == set(range(500, 10_500))
    assert numbers.n_keys == 500 + 200


def test_distances_are_less_for_nearer_vectors() -> None:
    base = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
    query = np.array([[3, 0]], np.float32)
    assert distances(base, query, "l2")[0].argmin() == 1
    assert distances(base, query, "ip")[0].argmin() == 1
    assert distances(base, query, "cosine")[0].tolist() == [-1, -1, 0]
