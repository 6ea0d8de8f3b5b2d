"""The requests of a load against a vector store."""

from collections.abc import Callable, Iterator

from loadgen.plan.model import Check, Request, Work
from loadgen.targets.vector_store.dataset import VectorSet
from loadgen.targets.vector_store.points import DELETED, UPSERTED, Numbers, n_payloads, points, vector_json
from loadgen.targets.vector_store.recipe import VectorWorkload
from loadgen.targets.vector_store.store import VectorStore


def build_work(store: VectorStore, vectors: VectorSet, numbers: Numbers, n_requests: int | None) -> Work:
    """Every different request, operation after operation, in the order of the workload's weights."""
    workload = store.workload
    sizes = sizes_of(workload, vectors, n_requests)
    return Work(
        _requests(store, vectors, numbers, sizes),
        tuple(sizes.values()),
        tuple(workload.weights.values()),
        {"name": vectors.name, "sha256": vectors.sha256},
        values=numbers.values() if numbers.n_new else None,
        bodies=store.bodies,
        n_keys=numbers.n_keys if keeps_keys(workload) else 0,
    )


def keeps_keys(workload: VectorWorkload) -> bool:
    """Whether the run keeps account of what was written."""
    return workload.check and not workload.weights.keys().isdisjoint(("upsert", "delete"))


def sizes_of(workload: VectorWorkload, vectors: VectorSet, n_requests: int | None) -> dict[str, int]:
    """How many different requests each operation has."""
    sizes = {name: n_payloads(workload, name, n_requests) for name in workload.weights}
    return sizes | ({"query": len(vectors.queries)} if "query" in sizes else {})


def _requests(store: VectorStore, vectors: VectorSet, numbers: Numbers, sizes: dict[str, int]) -> Iterator[Request]:
    encode: dict[str, Callable[[int], Request]] = {
        "query": lambda payload: _query(store, vectors, payload),
        "upsert": lambda payload: _upsert(store, vectors, numbers, payload),
        "get": lambda payload: _get(store, payload * numbers.n_base // sizes["get"]),
        "delete": lambda payload: store.encode(store.delete(DELETED), check=_checked(store, Check.DELETE)),
    }
    for operation, (name, size) in enumerate(sizes.items()):
        for payload in range(size):
            yield encode[name](payload)._replace(operation=operation)


def _checked(store: VectorStore, check: Check) -> Check:
    return check if store.workload.check else Check.NONE


def _query(store: VectorStore, vectors: VectorSet, payload: int) -> Request:
    call = store.query(vector_json(vectors.queries[payload]))
    if vectors.neighbours is None:
        return store.encode(call, check=_checked(store, Check.IDS))
    near = tuple((vectors.neighbours[payload] + store.first_id).tolist())
    return store.encode(call, check=Check.IDS, neighbours=near)


def _get(store: VectorStore, number: int) -> Request:
    return store.encode(store.get([number]), check=_checked(store, Check.CONTAINS), needle=store.needle(number))


def _upsert(store: VectorStore, vectors: VectorSet, numbers: Numbers, payload: int) -> Request:
    """One vector: with a number that is drawn for each request. Several: always the same ones."""
    batch, check = store.workload.batch, _checked(store, Check.WRITE)
    brought = list(points(vectors.upserts[payload * batch : (payload + 1) * batch], numbers.of_batch(payload)))
    if batch > 1:
        return store.encode(store.upsert(brought), check=check, key=numbers.first_batch_key + payload)
    return store.encode(store.upsert([brought[0]._replace(number=UPSERTED)]), check=check)
