"""Which key each request is about, and other whole numbers that are drawn for it: the values of VALUE slots."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.model import MAX_VALUES, Values
from loadgen.plan.streams import BLOCK, Purpose, blockwise, generator

KeyDistribution = Literal["uniform", "zipfian", "sequential"]

MAX_KEYS = 2**31 - 1

ZIPF_ITEMS = 10_000_000_000
ZIPF_THETA = 0.99
ZIPF_ZETA = 26.46902820178302
"""Sum of 1 / i**theta over all items."""

ZIPF_ETA = 0.21220003380882607
"""(1 - (2 / items)**(1 - theta)) / (1 - zeta(2) / zeta), a constant so that every machine has the same."""

_SECOND_ITEM = 1.0 + 0.5**ZIPF_THETA
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(1099511628211)
_OCTET = np.uint64(0xFF)
_OCTET_BITS = np.uint64(8)


def key_values(
    seed: int, n_keys: int, distribution: KeyDistribution = "uniform", others: Sequence[tuple[int, int]] = ()
) -> Values:
    """Column 0: keys from 0 to n_keys - 1. One more for each (low, high) of others: low <= value < high, uniform.

    sequential: the index modulo n_keys. The keys are the same whatever the others are. Columns beyond are 0.
    """
    assert 1 <= n_keys <= MAX_KEYS
    assert len(others) < MAX_VALUES
    drawn = blockwise(lambda block: _block(seed, n_keys, distribution, others, block).ravel(), BLOCK * MAX_VALUES)

    def draw(first: int, count: int) -> NDArray[np.int32]:
        values = drawn(first * MAX_VALUES, count * MAX_VALUES).reshape(count, MAX_VALUES)
        if distribution == "sequential":
            values[:, 0] = np.arange(first, first + count) % n_keys
        return values

    return draw


def _block(
    seed: int, n_keys: int, distribution: KeyDistribution, others: Sequence[tuple[int, int]], block: int
) -> NDArray[np.int32]:
    """Shape (BLOCK, MAX_VALUES)."""
    rows = generator(seed, Purpose.KEY, block).random((1 + len(others), BLOCK))
    values = np.zeros((BLOCK, MAX_VALUES), np.int32)
    values[:, 0] = _KEYS_OF[distribution](rows[0], n_keys)
    for column, (low, high) in enumerate(others, 1):
        values[:, column] = low + (rows[column] * (high - low)).astype(np.int64)
    return values


def _uniform(draws: NDArray[np.float64], n_keys: int) -> NDArray[np.int64]:
    return (draws * n_keys).astype(np.int64)


def zipf_ranks(draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ranks from 0 (the most frequent) to ZIPF_ITEMS - 1. draws: from 0 to below 1.

    The exponent 1 / (1 - theta) is 100: only multiplications, so that no machine's pow() makes another rank of a draw.
    Source: Gray et al., Quickly generating billion-record synthetic databases (1994), as in YCSB's ZipfianGenerator.
    """
    base = ZIPF_ETA * draws - ZIPF_ETA + 1.0
    to_4 = (base * base) * (base * base)
    to_16 = (to_4 * to_4) * (to_4 * to_4)
    to_32 = to_16 * to_16
    ranks = (ZIPF_ITEMS * (to_32 * to_32 * to_32 * to_4)).astype(np.int64)
    scaled = draws * ZIPF_ZETA
    return np.where(scaled < 1.0, 0, np.where(scaled < _SECOND_ITEM, 1, np.minimum(ranks, ZIPF_ITEMS - 1)))


def _scrambled_zipfian(draws: NDArray[np.float64], n_keys: int) -> NDArray[np.int64]:
    """Popular keys lie anywhere among the others.

    Source: YCSB's ScrambledZipfianGenerator: ranks among 10^10 items, each hashed (FNV, 64 bits) onto a key.
    """
    left = zipf_ranks(draws).astype(np.uint64)
    hashed = np.full(len(draws), _FNV_OFFSET, np.uint64)
    for _ in range(8):
        hashed = (hashed ^ (left & _OCTET)) * _FNV_PRIME
        left >>= _OCTET_BITS
    return np.abs(hashed.view(np.int64)) % n_keys


_KEYS_OF: dict[KeyDistribution, Callable[[NDArray[np.float64], int], NDArray[np.int64]]] = {
    "uniform": _uniform,
    "zipfian": _scrambled_zipfian,
    "sequential": _uniform,  # written over with the index
}
