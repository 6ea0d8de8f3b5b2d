"""Qdrant. Source: its REST API, as openapi.json of Qdrant 1.17 describes it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from loadgen.errors import TargetError
from loadgen.monitor.prometheus import series_of
from loadgen.recipe.kinds import Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import ApiKey, HttpReached, Url
from loadgen.targets.probe import Answer
from loadgen.targets.slots import Part
from loadgen.targets.vector_store.points import Number, Point
from loadgen.targets.vector_store.recipe import GROUP, VectorWorkload
from loadgen.targets.vector_store.store import Call, Collection, VectorStore, digits, listed
from loadgen.targets.vector_store.target import VectorTarget
from loadgen.targets.vectors import Distance

MARK = "made-by-loadgen."
"""What an alias of our collections begins with: collections of older versions have nothing else to be marked with."""

FIRST_ID = 10**12
"""Ids are numbers, and a number does not begin with zeros: a 1 stands before the twelve digits."""

INDEXED_WITHIN_S = 1800.0
BETWEEN_LOOKS_S = 0.25

_DISTANCES: dict[Distance, str] = {"cosine": "Cosine", "l2": "Euclid", "ip": "Dot", "dot": "Dot"}
_FILTER_CLAUSES = frozenset(("must", "should", "must_not", "min_should"))


class QdrantService(HttpReached):
    """Qdrant."""

    kind: Literal["qdrant"] = Field(description="Which service this is.")
    url: Url = Field(default="http://127.0.0.1:6333", description="Where its REST API listens.")
    api_key: ApiKey | None = Field(default=None, description="Sent as `api-key`; never written anywhere.")


class QdrantStore(VectorStore):
    key_header = "api-key"
    first_id: ClassVar[int] = FIRST_ID

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, QdrantService)
        super().__init__(recipe, recipe.service.api_key)
        self._named = f"/collections/{self.workload.collection}"

    def identify(self) -> str | None:
        answer = self.first_answer(Call("GET", "/"))
        said = answer.json if isinstance(answer.json, dict) else {}
        if "qdrant" not in str(said.get("title")).lower():
            raise self.error(f"no Qdrant here: GET {self.url.path}/ is answered with {answer.status}, and not by one")
        version = said.get("version")
        return None if version is None else str(version)

    def find_collection(self) -> Collection | None:
        call = Call("GET", self._named)
        if self.ask(call).status == 404:
            return None
        vectors = self.answered(call)["result"]["config"]["params"].get("vectors") or {}
        aliases = self.answered(Call("GET", f"{self._named}/aliases"))["result"]["aliases"]
        ours = any(alias["alias_name"] == MARK + self.workload.collection for alias in aliases)
        return Collection(ours, vectors.get("size"), _distance_of(vectors.get("distance")))

    def make_collection(self, dimensions: int) -> None:
        vectors = {"size": dimensions, "distance": _DISTANCES[self.workload.distance]}
        self._do("PUT", self._named, {"vectors": vectors, **self.workload.index})
        try:
            named = {"collection_name": self.workload.collection, "alias_name": MARK + self.workload.collection}
            self._do("POST", "/collections/aliases", {"actions": [{"create_alias": named}]})
            if self.workload.filter:
                self._do("PUT", f"{self._named}/index?wait=true", {"field_name": GROUP, "field_schema": "integer"})
        except TargetError:
            self.remove_collection()
            raise

    def remove_collection(self) -> None:
        self._do("DELETE", self._named)

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else [orjson.dumps(body)]
        return self.answered(Call(method, path, content))["result"]

    def settle(self, progress: Callable[[str, int, int], None]) -> None:
        """Indexes are built behind a fill, and the collection is yellow until they are."""
        give_up_at = time.monotonic() + INDEXED_WITHIN_S
        while True:
            found = self._do("GET", self._named)
            n, n_indexed = found.get("points_count") or 0, found.get("indexed_vectors_count") or 0
            if found["status"] != "yellow":
                break
            progress(f"{self.workload.collection} is being indexed", min(n_indexed, n), n)
            if time.monotonic() > give_up_at:
                raise self.error(f"{self.workload.collection} is not indexed {INDEXED_WITHIN_S:g} s after its fill")
            time.sleep(BETWEEN_LOOKS_S)
        if found["status"] == "red":
            raise self.error(f"the collection {self.workload.collection} is red: {found.get('optimizer_status')}")

    def query(self, vector: bytes) -> Call:
        asked: dict[str, Any] = {"query": orjson.Fragment(vector), "limit": self.workload.top_k}
        if self.workload.filter:
            asked["filter"] = _filter(self.workload.filter)
        return self._on("/query", [orjson.dumps({**asked, **self.workload.options})])

    def upsert(self, brought: Sequence[Point]) -> Call:
        written = listed([_written(point) for point in brought])
        return Call("PUT", f"{self._named}/points?wait=true", [b'{"points":', *written, b"}"])

    def get(self, numbers: Sequence[Number], with_vectors: bool = False) -> Call:
        wanted = b"true" if with_vectors else b"false"
        return self._on("", [b'{"ids":', *_ids_of(numbers), b',"with_payload":true,"with_vector":' + wanted + b"}"])

    def delete(self, number: Number) -> Call:
        return self._on("/delete?wait=true", [b'{"points":', *_ids_of([number]), b"}"])

    def _on(self, operation: str, body: list[Part]) -> Call:
        return Call("POST", f"{self._named}/points{operation}", body)

    def ids_in(self, answer: Any) -> list[int]:
        return [point["id"] - FIRST_ID for point in answer["result"]["points"] if isinstance(point["id"], int)]

    def vectors_in(self, answer: Any) -> dict[int, list[float]]:
        return {point["id"] - FIRST_ID: point["vector"] for point in answer["result"]}

    def metrics(self) -> dict[str, Any] | None:
        """What /metrics says; None where it does not."""
        try:
            answer: Answer = self.ask(Call("GET", "/metrics"))
        except TargetError:
            return None
        return dict(series_of(answer.text)) if answer.status == 200 else None


class QdrantTarget(VectorTarget):
    def __init__(self, recipe: Recipe) -> None:
        self._qdrant = QdrantStore(recipe)
        super().__init__(recipe, self._qdrant)

    def sample(self) -> dict[str, Any] | None:
        return self._qdrant.metrics()


def _ids_of(numbers: Sequence[Number]) -> list[Part]:
    return listed([[b"1", digits(number)] for number in numbers])


def _written(point: Point) -> list[Part]:
    payload = orjson.dumps({GROUP: point.group})
    return [b'{"id":1', digits(point.number), b',"vector":' + point.vector + b',"payload":' + payload + b"}"]


def _distance_of(name: Any) -> Distance | None:
    return next((distance for distance, said in _DISTANCES.items() if said == name), None)


def _filter(wanted: dict[str, Any]) -> dict[str, Any]:
    """Qdrant's own as it stands; {field: value} in its words."""
    if _FILTER_CLAUSES.issuperset(wanted):
        return wanted
    return {"must": [{"key": name, "match": {"value": value}} for name, value in wanted.items()]}


KIND = Kind(QdrantService, VectorWorkload, QdrantTarget, frozenset({"recall"}), "Qdrant, a vector store")
