"""Which request of the pool each index sends."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.streams import BLOCK, Purpose, blockwise, generator

Choices = Callable[[int, int], NDArray[np.uint32]]
"""draw(first, count): indexes into the pool, shape (count,)."""


def choices(seed: int, sizes: Sequence[int], weights: Sequence[float]) -> Choices:
    """One kind of operation: pass after pass over the pool, each in an order of its own, so that no request comes twice
    before all have come once. Several: the kind by its weight, then any of its requests.

    sizes: how many requests of the pool each kind has, kind after kind. weights: the share of each, of any sum.
    """
    if sum(sizes) == 1:
        return lambda _first, count: np.zeros(max(count, 0), np.uint32)
    return _passes(seed, sizes[0]) if len(sizes) == 1 else _weighted(seed, sizes, weights)


def _passes(seed: int, size: int) -> Choices:
    n_passes = -(-BLOCK // size)  # a block holds whole passes

    def draw_block(number: int) -> NDArray[np.uint32]:
        keys = generator(seed, Purpose.PAYLOAD, number).random((n_passes, size))
        return keys.argsort(axis=1, kind="stable").astype(np.uint32).ravel()

    return blockwise(draw_block, n_passes * size)


def _weighted(seed: int, sizes: Sequence[int], weights: Sequence[float]) -> Choices:
    shares = np.cumsum(np.array(weights, np.float64) / np.sum(weights))
    n_of_kind = np.array(sizes, np.int64)
    from_index = np.cumsum(n_of_kind) - n_of_kind

    def draw_block(number: int) -> NDArray[np.uint32]:
        of_kind, of_entry = generator(seed, Purpose.PAYLOAD, number).random((2, BLOCK))
        kind = np.minimum(np.searchsorted(shares, of_kind, side="right"), len(sizes) - 1)
        chosen: NDArray[np.int64] = from_index[kind] + (of_entry * n_of_kind[kind]).astype(np.int64)
        return chosen.astype(np.uint32)

    return blockwise(draw_block)
