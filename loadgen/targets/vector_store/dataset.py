"""The vectors of a run: what the collection is filled with, what is asked, and what comes while the load goes on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import RecipeError
from loadgen.plan.streams import Purpose, generator
from loadgen.targets.vector_store.recipe import N_GROUPS, VectorFiles, VectorWorkload
from loadgen.targets.vectors import (
    SPREAD,
    Distance,
    Floats,
    VectorSpec,
    distances,
    exact_neighbours,
    load_vectors,
    perturbed,
    read_neighbours,
    read_vectors,
    sha256_of,
)

MAX_QUERIES = 1000
"""Different ones; a longer run asks them again."""

STRANGERS_BLOCK = 1 << 20
"""Of the queries' stream: far from those that queries are drawn from."""

_TRIED_FOR_EACH = 2
_QUERIES_A_TIME = 128
_LOOKED_AT = 10_000


@dataclass(frozen=True)
class VectorSet:
    """base: shape (n, dimensions). queries: shape (n_queries, dimensions).

    neighbours: shape (n_queries, top_k), rows of base, those that the filter lets through; None: recall is not asked.
    upserts: shape (n_upserts, dimensions): what upserts bring. spares: shape (n_spares, dimensions): what is there
    beside base, for deletes. Where is_harmless says so none of both is nearer to a query than its true neighbours:
    recall stays what it was while they come and go.
    """

    base: Floats
    queries: Floats
    neighbours: NDArray[np.int64] | None
    upserts: Floats
    spares: Floats
    is_harmless: bool
    name: str
    sha256: str

    @property
    def dimensions(self) -> int:
        return int(self.base.shape[1])


def build_vector_set(workload: VectorWorkload, seed: int, n_queries: int, n_upserts: int, n_spares: int) -> VectorSet:
    """n_queries, n_spares: the most of them. Raises RecipeError."""
    files = workload.vectors if isinstance(workload.vectors, VectorFiles) else None
    n = workload.vectors if isinstance(workload.vectors, int) else 0
    base = load_vectors(VectorSpec(n, workload.dimensions, files.path if files else None), seed)
    _check_enough(workload, len(base))
    queries = _queries(base, files, seed, min(n_queries, MAX_QUERIES))
    neighbours = _neighbours(workload, files, base, queries) if workload.asks_recall else None
    n_strangers = n_upserts + min(n_spares, len(base))
    found, is_harmless = strangers(base, queries, neighbours, workload.distance, seed, n_strangers)
    drawn = f"clustered Gaussians, {len(base)} of {base.shape[1]} dimensions"
    name = drawn if files is None else Path(files.path).name
    upserts, spares = found[:n_upserts], found[n_upserts:]
    return VectorSet(base, queries, neighbours, upserts, spares, is_harmless, name, sha256_of(base, queries))


def _check_enough(workload: VectorWorkload, n: int) -> None:
    n_found = n if workload.group is None else len(range(workload.group, n, N_GROUPS))
    if workload.asks_recall and n_found < workload.top_k:
        which = "vectors in all" if workload.group is None else f"vectors in group {workload.group}"
        raise RecipeError(f"workload.top_k: must be <= {n_found}, there are no more {which}; got {workload.top_k}")


def _queries(base: Floats, files: VectorFiles | None, seed: int, n: int) -> Floats:
    if files is None or files.queries is None:
        return perturbed(base, n, seed)
    queries = read_vectors(Path(files.queries).expanduser())
    if queries.shape[1] != base.shape[1]:
        raise RecipeError(
            f"{files.queries}: its vectors have {queries.shape[1]} dimensions, those of {files.path} {base.shape[1]}"
        )
    return queries[:n]


def _neighbours(
    workload: VectorWorkload, files: VectorFiles | None, base: Floats, queries: Floats
) -> NDArray[np.int64]:
    if files is not None and files.neighbours is not None:
        return _known_neighbours(files, files.neighbours, len(base), len(queries), workload.top_k)
    mask = None if workload.group is None else np.arange(len(base)) % N_GROUPS == workload.group
    return exact_neighbours(base, queries, workload.top_k, workload.distance, mask)


def _known_neighbours(files: VectorFiles, path: str, n: int, n_queries: int, top_k: int) -> NDArray[np.int64]:
    known = read_neighbours(Path(path).expanduser())
    if len(known) < n_queries:
        raise RecipeError(f"{path}: has {len(known)} rows, and {files.queries} has more queries")
    if known.shape[1] < top_k:
        raise RecipeError(f"{path}: has {known.shape[1]} neighbours a query, and workload.top_k is {top_k}")
    if known.min() < 0 or known.max() >= n:
        raise RecipeError(f"{path}: names row {known.max()}, and {files.path} has {n}")
    return known[:n_queries, :top_k]


def strangers(
    base: Floats, queries: Floats, neighbours: NDArray[np.int64] | None, distance: Distance, seed: int, n: int
) -> tuple[Floats, bool]:
    """Shape (n, dimensions): vectors around centres of their own; and whether none is nearer than a true neighbour.

    Where few are harmless the same come again.
    """
    drawn = generator(seed, Purpose.QUERY, STRANGERS_BLOCK)
    n_tried = n * _TRIED_FOR_EACH
    some = base[:: max(1, len(base) // _LOOKED_AT)]
    mean, spread = some.mean(axis=0), some.std(axis=0)
    centres = drawn.standard_normal((max(1, round(n**0.5)), base.shape[1]), np.float32)
    away = centres[drawn.integers(0, len(centres), n_tried)]
    away += SPREAD * drawn.standard_normal((n_tried, base.shape[1]), np.float32)
    tried = (mean + spread * away).astype(np.float32)
    if neighbours is None or n == 0:
        return tried[:n], True
    harmless = tried[~_are_nearer(tried, base, queries, neighbours, distance)]
    kept = harmless if len(harmless) else tried
    return kept[np.arange(n) % len(kept)], len(harmless) > 0


def _are_nearer(
    tried: Floats, base: Floats, queries: Floats, neighbours: NDArray[np.int64], distance: Distance
) -> NDArray[np.bool_]:
    """Shape (n_tried,): whether each would be among some query's true neighbours."""
    are_nearer = np.zeros(len(tried), np.bool_)
    for first in range(0, len(queries), _QUERIES_A_TIME):
        some, last = queries[first : first + _QUERIES_A_TIME], neighbours[first : first + _QUERIES_A_TIME, -1]
        bounds = distances(base[last], some, distance).diagonal()
        are_nearer |= (distances(tried, some, distance) <= bounds[:, None]).any(axis=0)
    return are_nearer
