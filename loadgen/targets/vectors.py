"""Vectors to fill a store with, queries near them, and their true neighbours.

Drawn ones are clustered Gaussians: about sqrt(n) centres, each with members around it, so that a neighbour is something
that an index can miss. Files are .npy, .fvecs and .ivecs.
Source of the file formats: Jégou et al., Product quantization for nearest neighbor search (2011), the TEXMEX corpus.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import RecipeError
from loadgen.plan.streams import BLOCK, Purpose, generator

Floats = NDArray[np.float32]
Distance = Literal["cosine", "l2", "ip", "dot"]
"""ip and dot are one: the larger the inner product, the nearer."""

DEFAULT_DIMENSIONS = 128
SPREAD = 0.5
"""Standard deviation of members around their centre, in each dimension; that of the centres is 1."""

QUERY_SPREAD = 0.1
"""Standard deviation of a query around the member that it was made of, in members' own standard deviations."""

_QUERIES_A_TIME = 128
_VECTORS_A_TIME = 32768


class VectorSpec(NamedTuple):
    """Which vectors: so many drawn, or all of a file.

    dimensions: None: as many as the file has, or DEFAULT_DIMENSIONS.
    """

    n: int = 0
    dimensions: int | None = None
    path: str | None = None


def load_vectors(spec: VectorSpec, seed: int) -> Floats:
    """Shape (n, dimensions). Raises RecipeError."""
    if spec.path is None:
        return clustered(spec.n, spec.dimensions or DEFAULT_DIMENSIONS, seed)
    vectors = read_vectors(Path(spec.path).expanduser())
    if spec.dimensions not in (None, vectors.shape[1]):
        raise RecipeError(f"{spec.path}: its vectors have {vectors.shape[1]} dimensions, not {spec.dimensions}")
    return vectors


def clustered(n: int, dimensions: int, seed: int) -> Floats:
    """Shape (n, dimensions): each row belongs to a centre that is drawn for it."""
    n_centres = max(1, round(n**0.5))
    centres = generator(seed, Purpose.VECTOR, 0).standard_normal((n_centres, dimensions), np.float32)
    vectors = np.empty((n, dimensions), np.float32)
    for block, first in enumerate(range(0, n, BLOCK), 1):
        drawn = generator(seed, Purpose.VECTOR, block)
        count = min(BLOCK, n - first)
        centre = drawn.integers(0, n_centres, BLOCK)[:count]
        vectors[first : first + count] = centres[centre] + SPREAD * drawn.standard_normal(
            (count, dimensions), np.float32
        )
    return vectors


def perturbed(base: Floats, n: int, seed: int, block: int = 0) -> Floats:
    """Shape (n, dimensions): members of base, each moved a little. None comes twice where there are enough.

    block: another number gives other ones.
    """
    drawn = generator(seed, Purpose.QUERY, block)
    members = drawn.choice(len(base), n, replace=n > len(base))
    moved: Floats = base[members] + QUERY_SPREAD * _typical_spread(base) * drawn.standard_normal(
        (n, base.shape[1]), np.float32
    )
    return moved.astype(np.float32)


def _typical_spread(base: Floats) -> np.float32:
    """About the members' standard deviation around their centre, whatever the scale of a file's vectors."""
    some = base[:: max(1, len(base) // BLOCK)]
    return np.float32(SPREAD * (some.std(axis=0).mean() / np.hypot(1.0, SPREAD) or 1.0))


def exact_neighbours(
    base: Floats, queries: Floats, top_k: int, distance: Distance, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Shape (n_queries, top_k): rows of base, the nearest first, equal ones by their number.

    mask: shape (n,): only rows that are true in it. Distances are computed in double precision and compared in single,
    as stores have them. Where fewer rows than top_k are to be had the rest is -1. Memory does not grow with n.
    """
    kept = np.arange(len(base)) if mask is None else np.flatnonzero(mask)
    found = np.full((len(queries), top_k), -1, np.int64)
    for first in range(0, len(queries), _QUERIES_A_TIME):
        some = _ready(queries[first : first + _QUERIES_A_TIME], distance)
        found[first : first + len(some)] = _nearest(base, kept, some, top_k, distance)
    return found


def _nearest(
    base: Floats, kept: NDArray[np.int64], queries: NDArray[np.float64], top_k: int, distance: Distance
) -> NDArray[np.int64]:
    n = len(queries)
    best = np.full((n, top_k), np.inf, np.float32)
    ids = np.full((n, top_k), -1, np.int64)
    for first in range(0, len(kept), _VECTORS_A_TIME):
        rows = kept[first : first + _VECTORS_A_TIME]
        here = _distances(_ready(base[rows], distance), queries, distance)
        # the best so far stand first: their numbers are lower, and the sort is stable
        away = np.concatenate((best, here), axis=1)
        numbers = np.concatenate((ids, np.broadcast_to(rows, (n, len(rows)))), axis=1)
        order = _first_sorted(away, top_k)
        best, ids = np.take_along_axis(away, order, 1), np.take_along_axis(numbers, order, 1)
    return ids


def _first_sorted(away: Floats, top_k: int) -> NDArray[np.int64]:
    """The places of each row's top_k least values, in order, equal ones by their place."""
    bounds = np.partition(away, top_k - 1, axis=1)[:, top_k - 1]
    order = np.empty((len(away), top_k), np.int64)
    for i, (row, bound) in enumerate(zip(away, bounds, strict=True)):
        within = np.flatnonzero(row <= bound)
        order[i] = within[np.argsort(row[within], kind="stable")[:top_k]]
    return order


def distances(vectors: Floats, queries: Floats, distance: Distance) -> Floats:
    """Shape (n_queries, n_vectors): something that is less for nearer ones."""
    return _distances(_ready(vectors, distance), _ready(queries, distance), distance)


def _ready(vectors: Floats, distance: Distance) -> NDArray[np.float64]:
    doubles = vectors.astype(np.float64)
    if distance != "cosine":
        return doubles
    lengths = np.linalg.norm(doubles, axis=1, keepdims=True)
    return doubles / np.where(lengths == 0, 1.0, lengths)


def _distances(vectors: NDArray[np.float64], queries: NDArray[np.float64], distance: Distance) -> Floats:
    products: NDArray[np.float64] = queries @ vectors.T
    if distance != "l2":
        return (-products).astype(np.float32)
    squares: NDArray[np.float64] = (vectors**2).sum(axis=1) + (queries**2).sum(axis=1)[:, None]
    away: NDArray[np.float64] = squares - 2 * products
    return away.astype(np.float32)


def read_vectors(path: Path) -> Floats:
    """A .npy or .fvecs file. Shape (n, dimensions). Raises RecipeError."""
    readers = {".npy": _read_npy, ".fvecs": lambda path: _read_vecs(path, np.dtype("<f4"))}
    reader = readers.get(path.suffix)
    if reader is None:
        raise RecipeError(f"{path}: vectors are read from .npy and .fvecs files")
    vectors = _opened(path, reader)
    if not np.isfinite(vectors).all():
        raise RecipeError(f"{path}: has values that are no finite numbers")
    return np.ascontiguousarray(vectors, np.float32)


def read_neighbours(path: Path) -> NDArray[np.int64]:
    """An .ivecs file. Shape (n_queries, k). Raises RecipeError."""
    if path.suffix != ".ivecs":
        raise RecipeError(f"{path}: true neighbours are read from .ivecs files")
    neighbours: NDArray[np.int64] = _opened(path, lambda path: _read_vecs(path, np.dtype("<i4"))).astype(np.int64)
    return neighbours


def _opened(path: Path, reader: Any) -> NDArray[Any]:
    try:
        values: NDArray[Any] = reader(path)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except ValueError as error:
        raise RecipeError(f"{path}: {error}") from None
    return values


def _read_npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        try:
            values = np.load(file, allow_pickle=False)
        except (ValueError, EOFError):
            raise ValueError("is not a whole .npy file of numbers") from None
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu" or not values.size:
        raise ValueError("must hold numbers in two dimensions, vectors by components")
    return values


def _read_vecs(path: Path, component: np.dtype[Any]) -> NDArray[Any]:
    """Rows of a 4-byte count, the same in each, and as many components of 4 bytes. Little-endian."""
    content = np.fromfile(path, "<i4")
    n_in_row = int(content[0]) if content.size else 0
    is_whole = n_in_row > 0 and path.stat().st_size % 4 == 0 and content.size % (n_in_row + 1) == 0
    if not is_whole:
        raise ValueError(f"is not a whole {path.suffix} file: rows of a count and as many numbers")
    rows = content.reshape(-1, n_in_row + 1)
    if (rows[:, 0] != n_in_row).any():
        raise ValueError(f"has rows of other lengths than its first, which has {n_in_row} numbers")
    return rows[:, 1:].view(component)


def sha256_of(*arrays: NDArray[Any]) -> str:
    """Over the arrays' bytes, one after the other."""
    content = hashlib.sha256()
    for array in arrays:
        for part in _in_parts(array):
            content.update(part)
    return content.hexdigest()


def _in_parts(array: NDArray[Any]) -> Iterator[bytes]:
    for first in range(0, len(array), _VECTORS_A_TIME):
        yield array[first : first + _VECTORS_A_TIME].tobytes()
