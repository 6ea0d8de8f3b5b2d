"""After the run: what was upserted is looked up by its id, and so is what was deleted."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.targets.base import Finding
from loadgen.targets.vector_store.dataset import VectorSet
from loadgen.targets.vector_store.points import Numbers
from loadgen.targets.vector_store.store import VectorStore
from loadgen.targets.vectors import Floats

N_SAMPLED = 100
N_SHOWN = 3
N_PASSES = 64
"""Over the numbers that upserts draw: so often one of them may have been written again."""

PayloadOf = Callable[[int], int | None]
"""Which of the upserts' requests an index of the run sends; None: it sends no upsert."""


def look_up_upserted(
    store: VectorStore, vectors: VectorSet, numbers: Numbers, keys: NDArray[Any], payload_of: PayloadOf
) -> Finding:
    """keys: Ending.keys. Raises TargetError."""
    acknowledged = np.flatnonzero((keys["floor"] > 0) & (keys["latest_delete"] == 0))
    wanted: dict[int, Iterable[Floats]] = {}
    for key in _sample(acknowledged):
        wanted |= _brought(vectors, numbers, key, payload_of)
    there = store.look_up(list(wanted))
    wrong = [
        number
        for number, vectors_of in wanted.items()
        if number not in there or not any(store.keeps(there[number], one) for one in vectors_of)
    ]
    what = f"{len(wanted)} upserted vectors, of {len(acknowledged)} upserts that were acknowledged, looked up by id"
    return Finding("upserts", len(wanted), len(wrong), _told(what, "missing or with another vector", wrong))


def _brought(vectors: VectorSet, numbers: Numbers, key: int, payload_of: PayloadOf) -> dict[int, Iterable[Floats]]:
    """The numbers that were written with a key, each with the vectors of which it must have one now."""
    if numbers.n_batches:
        payload = key - numbers.first_batch_key
        first, place = numbers.of_batch(payload), payload * numbers.batch
        return {first + i: (vectors.upserts[place + i],) for i in range(numbers.batch)}
    index = key - numbers.first_new
    payloads = (payload_of(index + n * numbers.n_new) for n in range(N_PASSES))
    return {key: (vectors.upserts[payload] for payload in payloads if payload is not None)}


def look_up_deleted(store: VectorStore, numbers: Numbers, keys: NDArray[Any]) -> Finding:
    """keys: Ending.keys. Raises TargetError."""
    is_acknowledged = (keys["latest_delete"] > 0) & (keys["floor"] == keys["latest_delete"])
    deleted = np.unique([numbers.spare_of(int(key)) for key in np.flatnonzero(is_acknowledged)]).astype(np.int64)
    sampled = _sample(deleted)
    wrong = sorted(store.look_up(sampled))
    what = f"{len(sampled)} of {len(deleted)} deleted vectors looked up by id"
    return Finding("deletes", len(sampled), len(wrong), _told(what, "still there", wrong))


def _sample(numbers: NDArray[np.int64]) -> list[int]:
    """Some from everywhere."""
    places = np.linspace(0, len(numbers) - 1, min(N_SAMPLED, len(numbers))).astype(np.int64)
    return [int(number) for number in numbers[np.unique(places)]]


def _told(what: str, fault: str, wrong: Sequence[int]) -> str:
    if not wrong:
        return f"{what}: all as it must be"
    named = ", ".join(map(str, wrong[:N_SHOWN])) + (" …" if len(wrong) > N_SHOWN else "")
    return f"{what}: {len(wrong)} {fault}: {named}"
