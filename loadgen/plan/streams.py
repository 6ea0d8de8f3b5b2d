"""Random values as pure functions of (seed, purpose, index): the same whatever block size and order of calls.

Each purpose has a Philox key of its own, and each fixed block of indexes a counter of its own, 2**192 steps from the
next: how many steps a sampler takes in one block is nothing to another.
Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Indexes a block. A constant of the format: another value gives other draws."""

_KEPT_BLOCKS = 8
_WORD = 2**64 - 1

Scalar = TypeVar("Scalar", bound=np.generic)


class Purpose(IntEnum):
    """What a stream of draws is for. Numbers are never given anew: they are in the draws of every recorded run."""

    PAYLOAD = 0
    ARRIVAL = 1
    OUTPUT_LENGTH = 2
    INPUT_LENGTH = 3
    PROMPT = 4
    KEY = 5
    VECTOR = 6
    QUERY = 7


def generator(seed: int, purpose: Purpose, block: int) -> np.random.Generator:
    """The generator of one block of one purpose."""
    key = np.array([seed & _WORD, purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, block], np.uint64)))


def blockwise(draw_block: Callable[[int], NDArray[Scalar]], size: int = BLOCK) -> Callable[[int, int], NDArray[Scalar]]:
    """Make draw(first, count) of a function that gives the values of a whole block.

    draw_block: of the block's number; returns shape (size,). draw() returns the caller's own copy, shape (count,).
    """
    kept = lru_cache(_KEPT_BLOCKS)(draw_block)

    def draw(first: int, count: int) -> NDArray[Scalar]:
        numbers = range(first // size, max(first, first + count - 1) // size + 1)
        return np.concatenate([kept(n)[max(first - n * size, 0) : max(first + count - n * size, 0)] for n in numbers])

    return draw
