"""Vectors drawn and read, and their true neighbours against a plain reference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.targets import vectors
from loadgen.targets.vectors import (
    Distance,
    VectorSpec,
    clustered,
    exact_neighbours,
    load_vectors,
    perturbed,
    read_neighbours,
    read_vectors,
)

DISTANCES: list[Distance] = ["cosine", "l2", "ip", "dot"]


def reference(base: Any, queries: Any, top_k: int, distance: str, mask: Any = None) -> list[list[int]]:
    """Each pair by itself, sorted by (distance, number)."""
    found = []
    for query in queries.astype(np.float64):
        away = []
        for number, vector in enumerate(base.astype(np.float64)):
            if mask is not None and not mask[number]:
                continue
            product = float(vector @ query)
            if distance == "cosine":
                product /= float(np.linalg.norm(vector) * np.linalg.norm(query))
            one = float(((vector - query) ** 2).sum()) if distance == "l2" else -product
            away.append((round(one, 5), number))
        found.append([number for _, number in sorted(away)[:top_k]])
    return found


@pytest.fixture(params=[7, 64, 100_000])
def vectors_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_VECTORS_A_TIME", request.param)
    monkeypatch.setattr(vectors, "_QUERIES_A_TIME", 3)


@pytest.mark.usefixtures("vectors_at_a_time")
@pytest.mark.parametrize("distance", DISTANCES)
def test_neighbours_are_those_of_the_plain_definition(distance: Distance) -> None:
    base = clustered(300, 6, seed=1)
    queries = perturbed(base, 10, seed=1)
    assert exact_neighbours(base, queries, 7, distance).tolist() == reference(base, queries, 7, distance)


@pytest.mark.usefixtures("vectors_at_a_time")
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_mask_leaves_only_its_vectors(distance: Distance) -> None:
    base = clustered(300, 6, seed=2)
    queries, mask = perturbed(base, 10, seed=2), np.arange(300) % 10 == 3
    found = exact_neighbours(base, queries, 7, distance, mask)
    assert found.tolist() == reference(base, queries, 7, distance, mask)
    assert (found % 10 == 3).all()


@pytest.mark.usefixtures("vectors_at_a_time")
@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_vectors_come_by_their_number(distance: Distance) -> None:
    few = clustered(5, 4, seed=3)
    base = np.tile(few, (40, 1))
    found = exact_neighbours(base, few[2:3], 6, distance)[0]
    if distance in ("cosine", "l2"):
        assert found.tolist() == [2, 7, 12, 17, 22, 27]
    else:
        assert found.tolist() == sorted(found.tolist())


def test_where_fewer_are_to_be_had_the_rest_is_minus_one() -> None:
    base = clustered(4, 3, seed=4)
    found = exact_neighbours(base, base[:1], 6, "l2", np.array([True, False, True, False]))
    assert found.tolist() == [[0, 2, -1, -1, -1, -1]]


def test_vectors_of_no_length_have_a_cosine() -> None:
    base = np.zeros((3, 2), np.float32)
    assert exact_neighbours(base, base[:1], 2, "cosine").tolist() == [[0, 1]]


def test_the_same_seed_draws_the_same_vectors_and_another_draws_others() -> None:
    assert (clustered(5000, 3, seed=5) == clustered(5000, 3, seed=5)).all()
    assert (clustered(5000, 3, seed=5) != clustered(5000, 3, seed=6)).all()


def test_drawn_vectors_lie_in_clusters() -> None:
    base = clustered(2000, 32, seed=7)
    near = exact_neighbours(base, base[:50], 20, "l2")
    to_near = np.linalg.norm(base[near] - base[:50, None], axis=2).mean()
    to_any = np.linalg.norm(base[None, 100:200] - base[:50, None], axis=2).mean()
    assert to_near < 0.7 * to_any


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_query_is_nearest_to_the_member_that_it_was_made_of(scale: float) -> None:
    base = clustered(1000, 64, seed=8) * np.float32(scale)
    queries = perturbed(base, 200, seed=8)
    nearest = exact_neighbours(base, queries, 1, "l2")[:, 0]
    assert len(set(nearest.tolist())) == 200
    assert (np.linalg.norm(base[nearest] - queries, axis=1) > 0).all()


def test_more_queries_than_vectors_can_be_drawn() -> None:
    assert perturbed(clustered(3, 2, seed=9), 10, seed=9).shape == (10, 2)


def write_vecs(path: Path, rows: Any) -> Path:
    counted = np.column_stack((np.full(len(rows), rows.shape[1], "<i4"), rows.view("<i4")))
    counted.astype("<i4").tofile(path)
    return path


def test_npy_files_of_any_kind_of_number_are_read(tmp_path: Path) -> None:
    for kind in ("<f4", "<f8", ">f4", "u1", "<f2"):
        path = tmp_path / "some.npy"
        np.save(path, np.array([[1, 2], [3, 4], [5, 6]], kind))
        found = load_vectors(VectorSpec(path=str(path)), seed=0)
        assert found.dtype == np.float32
        assert found.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_fvecs_and_ivecs_files_are_read(tmp_path: Path) -> None:
    rows = np.array([[1.5, -2, 3], [4, 5, 6]], "<f4")
    assert read_vectors(write_vecs(tmp_path / "base.fvecs", rows)).tolist() == rows.tolist()
    near = np.array([[1, 0, 5], [0, 1, 7]], "<i4")
    assert read_neighbours(write_vecs(tmp_path / "near.ivecs", near)).tolist() == near.tolist()


def truncated(path: Path) -> None:
    write_vecs(path, np.ones((2, 3), "<f4"))
    path.write_bytes(path.read_bytes()[:-2])


def uneven(path: Path) -> None:
    write_vecs(path, np.ones((2, 3), "<f4"))
    content = bytearray(path.read_bytes())
    content[16] = 2
    path.write_bytes(content)


def of_objects(path: Path) -> None:
    np.save(path, np.array([{}, {}]), allow_pickle=True)


BAD_FILES: list[tuple[str, Callable[[Path], object], str]] = [
    ("missing.npy", lambda path: None, "No such file"),
    ("text.npy", lambda path: path.write_text("hello"), "is not a whole .npy file"),
    ("objects.npy", of_objects, "is not a whole .npy file"),
    ("flat.npy", lambda path: np.save(path, np.ones(3)), "in two dimensions"),
    ("none.npy", lambda path: np.save(path, np.ones((0, 3))), "in two dimensions"),
    ("nan.npy", lambda path: np.save(path, np.array([[np.nan]])), "no finite numbers"),
    ("empty.fvecs", lambda path: path.write_bytes(b""), "is not a whole .fvecs file"),
    ("cut.fvecs", truncated, "is not a whole .fvecs file"),
    ("uneven.fvecs", uneven, "rows of other lengths"),
    ("base.csv", lambda path: path.write_text("1,2"), "are read from .npy and .fvecs files"),
]


@pytest.mark.parametrize(("name", "write", "said"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_is_one_line_with_its_name(
    name: str, write: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(RecipeError) as raised:
        read_vectors(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_other_dimensions_than_the_recipe_says_are_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", np.ones((2, 3)))
    with pytest.raises(RecipeError, match="its vectors have 3 dimensions, not 4"):
        load_vectors(VectorSpec(path=str(tmp_path / "some.npy"), dimensions=4), seed=0)


def test_neighbours_are_read_from_ivecs_only(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"are read from \.ivecs files"):
        read_neighbours(tmp_path / "near.npy")
