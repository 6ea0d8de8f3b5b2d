"""Points, their numbers, and how many different requests a run has."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from loadgen.plan.model import KEY_DIGITS, MAX_VALUES, SlotKind, Values
from loadgen.targets.slots import Mark
from loadgen.targets.vector_store.recipe import N_GROUPS, VectorWorkload
from loadgen.targets.vectors import Floats

MAX_DIFFERENT = 1000
"""Payloads of one operation; a longer run sends them again."""

MAX_BATCHED = 10_000
"""Vectors of all upserts together that bring more than one each."""

MAX_SPARES = 10_000
MAX_NEW = 1 << 20
"""Upserts with ids of their own, where it is not known how many there will be; then the first ones come again."""

UPSERTED = Mark(SlotKind.VALUE, KEY_DIGITS, 0)
DELETED = Mark(SlotKind.VALUE, KEY_DIGITS, 1)

Number = int | Mark
"""Which point: known now, or drawn for each request."""


class Point(NamedTuple):
    """What is written. vector: JSON."""

    number: Number
    vector: bytes
    group: int


def vector_json(vector: Floats) -> bytes:
    """The shortest digits that give the same single-precision numbers again."""
    return orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY)


def points(vectors: Floats, first: int) -> Iterator[Point]:
    """Consecutive ones, numbered from first."""
    for number, vector in enumerate(vectors, first):
        yield Point(number, vector_json(vector), number % N_GROUPS)


class Numbers(NamedTuple):
    """Which numbers points have: those of the base from 0 on, then the spares, then what upserts bring.

    n_new: how many different ones upserts of one vector bring. n_batches: how many upserts of several there are: they
    bring the same again with every pass.
    """

    n_base: int
    n_spares: int
    n_new: int
    n_batches: int
    batch: int

    @property
    def first_new(self) -> int:
        return self.n_base + self.n_spares

    @property
    def first_batch_key(self) -> int:
        return self.first_new + self.n_new

    @property
    def n_keys(self) -> int:
        return self.first_batch_key + self.n_batches

    def of_batch(self, payload: int) -> int:
        """The first of the numbers that one payload brings."""
        return self.first_new + payload * self.batch

    def spare_of(self, key: int) -> int:
        """What a delete was about whose state is kept under this key."""
        return self.n_base + (key - self.first_new) % self.n_spares

    def values(self) -> Values:
        """Column 0: what an upsert of one vector brings, always another. Column 1: what a delete takes away.

        The state of a delete is kept under column 0: n_new is a multiple of n_spares, so that it tells column 1.
        """

        def draw(first: int, count: int) -> NDArray[np.int32]:
            index = np.arange(first, first + count)
            values = np.zeros((count, MAX_VALUES), np.int32)
            values[:, 0] = self.first_new + index % max(self.n_new, 1)
            values[:, 1] = self.n_base + index % max(self.n_spares, 1)
            return values

        return draw


def n_payloads(workload: VectorWorkload, operation: str, n_requests: int | None) -> int:
    """How many different requests an operation has."""
    if operation == "delete":
        return 1
    most = min(MAX_DIFFERENT, n_requests or MAX_DIFFERENT)
    return min(most, max(MAX_BATCHED // workload.batch, 1)) if operation == "upsert" and workload.batch > 1 else most


def n_spares_at_most(workload: VectorWorkload, n_requests: int | None) -> int:
    return min(MAX_SPARES, n_requests or MAX_SPARES) if "delete" in workload.weights else 0


def build_numbers(workload: VectorWorkload, n_base: int, n_spares: int, n_requests: int | None) -> Numbers:
    n_new = n_batches = 0
    if "delete" in workload.weights or ("upsert" in workload.weights and workload.batch == 1):
        in_passes = max(n_spares, 1)
        n_new = -(-min(n_requests or MAX_NEW, MAX_NEW) // in_passes) * in_passes
    if "upsert" in workload.weights and workload.batch > 1:
        n_batches = n_payloads(workload, "upsert", n_requests)
    return Numbers(n_base, n_spares, n_new, n_batches, workload.batch)
