"""A vector store as a target: its collection is made, filled, loaded, looked at, and removed again."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import TargetError
from loadgen.plan.choice import choices
from loadgen.plan.model import Operation, Request, Wire, Work
from loadgen.plan.plan import build_fill
from loadgen.recipe.model import Recipe
from loadgen.targets.base import Filler, Finding, PlainTarget, Readiness, describe_service
from loadgen.targets.vector_store.dataset import MAX_QUERIES, VectorSet, build_vector_set
from loadgen.targets.vector_store.points import (
    Numbers,
    build_numbers,
    n_payloads,
    n_spares_at_most,
    points,
    vector_json,
)
from loadgen.targets.vector_store.read_back import PayloadOf, look_up_deleted, look_up_upserted
from loadgen.targets.vector_store.requests import build_work, keeps_keys, sizes_of
from loadgen.targets.vector_store.store import Collection, VectorStore
from loadgen.targets.vectors import Floats

FILL_NUMBERS = 64_000
"""Numbers in a request of the fill: about 700 kB of JSON."""

MAX_FILL_BATCH = 500
FILLS_AT_ONCE = 64
"""Requests of the fill that are in memory together."""

N_TRIED = 3
N_LOOKED_FOR = 16
_DISTANCES = {"dot": "ip"}

Result = TypeVar("Result")


class VectorTarget(PlainTarget):
    """Any store: what differs between them is in the VectorStore."""

    wire: Wire = Wire.HTTP

    def __init__(self, recipe: Recipe, store: VectorStore) -> None:
        self._recipe, self._store, self._workload = recipe, store, store.workload
        self._names = tuple(self._workload.weights)
        top_k = self._workload.top_k if self._workload.recall else 0
        self.operations = tuple(Operation(name, top_k=top_k if name == "query" else 0) for name in self._names)
        self._built: tuple[int | None, VectorSet, Numbers] | None = None
        self._was_there = self._is_to_be_removed = False

    def work(self, n_requests: int | None) -> Work:
        vectors, numbers = self._data(n_requests)
        return build_work(self._store, vectors, numbers, n_requests)

    def _data(self, n_requests: int | None) -> tuple[VectorSet, Numbers]:
        """Built once: computing the neighbours of many is work. Raises RecipeError."""
        if self._built is None or self._built[0] != n_requests:
            workload = self._workload
            n_upserts = n_payloads(workload, "upsert", n_requests) * workload.batch if "upsert" in self._names else 0
            n_queries = min(n_requests or MAX_QUERIES, MAX_QUERIES)
            n_spares = n_spares_at_most(workload, n_requests)
            vectors = build_vector_set(workload, self._recipe.seed, n_queries, n_upserts, n_spares)
            numbers = build_numbers(workload, len(vectors.base), len(vectors.spares), n_requests)
            self._built = (n_requests, vectors, numbers)
        return self._built[1:]

    async def prepare(self) -> Readiness:
        return await self._aside(self._prepare)

    async def _aside(self, do: Callable[[], Result]) -> Result:
        """What blocks, in a thread of its own. What it raises has no secrets."""
        try:
            return await asyncio.to_thread(do)
        except TargetError as error:
            raise TargetError(self._recipe.redacted(str(error))) from None

    def _prepare(self) -> Readiness:
        vectors, _ = self._built[1:] if self._built else self._data(None)
        address = self._store.reach()
        version = self._store.identify()
        notes = [*self._take_collection(vectors.dimensions), *self._notes(vectors)]
        service = self._store.service
        known = {"version": version, "collection": self._workload.collection}
        described = describe_service(self._store.url, service.kind, service.settings, **known)
        return Readiness(address, tuple(notes), described)

    def _take_collection(self, dimensions: int) -> Iterator[str]:
        """Make the collection, or take the one that is there. Notes. Raises TargetError."""
        store, name = self._store, self._workload.collection
        there = store.find_collection()
        if there is not None and self._workload.reuse:
            self._check_fits(there, dimensions)
            self._was_there = True
            yield f"the collection {name} was there already: it is used, and stays"
            return
        if there is not None and not there.is_ours:
            raise store.error(
                f"there is a collection {name} that loadgen did not make: name another one in workload.collection, or"
                " say workload.reuse: true to write into it"
            )
        if there is not None:
            store.remove_collection()
            yield f"the collection {name} of an earlier run was removed and made anew"
        store.make_collection(dimensions)
        self._is_to_be_removed = not self._workload.keep

    def _check_fits(self, there: Collection, dimensions: int) -> None:
        name, asked = self._workload.collection, self._workload.distance
        if there.dimensions not in (None, dimensions):
            raise self._store.error(
                f"the vectors in {name} have {there.dimensions} dimensions, those of the recipe {dimensions}"
            )
        if there.distance not in (None, _DISTANCES.get(asked, asked)):
            raise self._store.error(f"the collection {name} has the distance {there.distance}, the recipe says {asked}")

    def _notes(self, vectors: VectorSet) -> Iterator[str]:
        if not vectors.is_harmless:
            yield "what is upserted may be nearer to a query than its true neighbours: recall may fall for that alone"
        if keeps_keys(self._workload) and self._recipe.load.threads > 1:
            yield "with several threads it is not looked up after the run whether upserts and deletes were done"

    async def fill(self, filler: Filler) -> None:
        assert self._built is not None
        _, vectors, numbers = self._built
        if not (self._was_there and await self._aside(lambda: self._is_filled(vectors, numbers))):
            await self._fill(filler, vectors, numbers)
        await self._aside(lambda: self._store.settle(filler.progress))
        await self._aside(lambda: self._try(vectors))

    async def _fill(self, filler: Filler, vectors: VectorSet, numbers: Numbers) -> None:
        n, batch = numbers.first_new, min(MAX_FILL_BATCH, max(FILL_NUMBERS // vectors.dimensions, 1))
        parts = [(first, min(first + batch, n)) for first in range(0, n, batch)]
        for done in range(0, len(parts), FILLS_AT_ONCE):
            requests = [self._bringing(vectors, *part) for part in parts[done : done + FILLS_AT_ONCE]]
            what = f"filling {self._workload.collection} with {n} vectors, {min(batch, n)} a request"
            if done:
                what += f", from the {parts[done][0]}th on"
            work = Work(requests, (len(requests),), (1.0,), bodies=self._store.bodies)
            filled = await filler.fire(what, build_fill(self._recipe, self, work, len(requests)))
            if filled.n_failed:
                reason = filled.error or f"{filled.n_failed} requests failed"
                error = self._store.error(f"filling {self._workload.collection}: {reason}")
                raise TargetError(self._recipe.redacted(str(error)))

    def _bringing(self, vectors: VectorSet, first: int, last: int) -> Request:
        return self._store.encode(self._store.upsert(list(points(_rows(vectors, first, last), first))))

    def _is_filled(self, vectors: VectorSet, numbers: Numbers) -> bool:
        """Whether some of the base, and all the spares, are there with the right vectors."""
        some = np.linspace(0, numbers.n_base - 1, N_LOOKED_FOR).astype(np.int64).tolist()
        asked = [*dict.fromkeys(some), *range(numbers.n_base, numbers.first_new)]
        there = self._store.look_up(asked)
        return all(self._store.keeps(there.get(n), _rows(vectors, n, n + 1)[0]) for n in asked)

    def _try(self, vectors: VectorSet) -> None:
        """Ask as the load will, and see whether the answers can be right. Raises TargetError."""
        store, n_hits = self._store, 0
        if "get" in self._names:
            store.answered(store.get([0]))
        if "query" not in self._names:
            return
        for payload, query in enumerate(vectors.queries[:N_TRIED]):
            named = store.ids_in(store.answered(store.query(vector_json(query))))
            near = [] if vectors.neighbours is None else vectors.neighbours[payload].tolist()
            n_hits += len(set(named) & set(near))
        if vectors.neighbours is not None and not n_hits:
            raise store.error(
                f"the answers to the first queries name none of the true neighbours: are the vectors of"
                f" {self._workload.collection} those of the recipe, and is {self._workload.distance} its distance?"
            )

    async def check(self, keys: NDArray[Any] | None) -> tuple[Finding, ...]:
        if keys is None or self._built is None or not keeps_keys(self._workload):
            return ()
        return await self._aside(lambda: tuple(self._findings(keys)))

    def _findings(self, keys: NDArray[Any]) -> Iterator[Finding]:
        assert self._built is not None
        n_requests, vectors, numbers = self._built
        if "upsert" in self._names:
            payload_of = self._upserts_of(sizes_of(self._workload, vectors, n_requests))
            yield look_up_upserted(self._store, vectors, numbers, keys, payload_of)
        if "delete" in self._names:
            yield look_up_deleted(self._store, numbers, keys)

    def _upserts_of(self, sizes: dict[str, int]) -> PayloadOf:
        """As the plan draws them."""
        choose = choices(self._recipe.seed, tuple(sizes.values()), tuple(self._workload.weights.values()))
        before = sum(list(sizes.values())[: self._names.index("upsert")])

        def payload_of(index: int) -> int | None:
            payload = int(choose(index, 1)[0]) - before
            return payload if 0 <= payload < sizes["upsert"] else None

        return payload_of

    async def close(self) -> None:
        if not self._is_to_be_removed:
            return
        self._is_to_be_removed = False
        await self._aside(self._remove)

    def _remove(self) -> None:
        try:
            self._store.remove_collection()
        except TargetError as error:
            raise TargetError(f"the collection {self._workload.collection} could not be removed: {error}") from None


def _rows(vectors: VectorSet, first: int, last: int) -> Floats:
    """Those of the base and of the spares, as if they were one array."""
    n = len(vectors.base)
    if last <= n:
        return vectors.base[first:last]
    return np.concatenate((vectors.base[first:], vectors.spares[max(first - n, 0) : last - n]))
