"""Chroma. Source: its REST API, version 2, as /openapi.json of Chroma 1.5 describes it."""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field

from loadgen.plan.model import Request
from loadgen.recipe.base import Text
from loadgen.recipe.kinds import Kind
from loadgen.recipe.model import Recipe
from loadgen.recipe.service import ApiKey, HttpReached, Url
from loadgen.targets.slots import Part
from loadgen.targets.vector_store.points import Number, Point
from loadgen.targets.vector_store.recipe import GROUP, VectorWorkload
from loadgen.targets.vector_store.store import Call, Collection, VectorStore, digits, listed
from loadgen.targets.vector_store.target import VectorTarget
from loadgen.targets.vectors import Distance

MADE_BY = {"made_by": "loadgen"}
UNKNOWN_ID = "0" * 36

_SPACES: dict[Distance, Distance] = {"cosine": "cosine", "l2": "l2", "ip": "ip", "dot": "ip"}
_INDEXES = ("hnsw", "spann")


class ChromaService(HttpReached):
    """Chroma, one of its databases."""

    kind: Literal["chroma"] = Field(description="Which service this is.")
    url: Url = Field(default="http://127.0.0.1:8000", description="Where it listens.")
    api_key: ApiKey | None = Field(default=None, description="Sent as `x-chroma-token`; never written anywhere.")
    tenant: Text = Field(default="default_tenant", description="Whose database it is.")
    database: Text = Field(default="default_database", description="The database that the collection is made in.")


class ChromaStore(VectorStore):
    """Collections are named by a UUID that the server draws: it stands beside the requests' raw bytes, as their body
    does elsewhere, so that the plan of a run is the same with every collection.
    """

    key_header = "x-chroma-token"

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.service, ChromaService)
        super().__init__(recipe, recipe.service.api_key)
        database = (quote(name, safe="") for name in (recipe.service.tenant, recipe.service.database))
        self._collections = "/api/v2/tenants/{}/databases/{}/collections".format(*database)
        self._named = f"{self._collections}/{self.workload.collection}"
        self._id = UNKNOWN_ID

    @property
    def bodies(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._id.encode(), np.uint8)

    def encode(self, call: Call, **known: Any) -> Request:
        request = super().encode(call, **known)
        at = request.raw.find(UNKNOWN_ID.encode(), 0, request.raw.index(b"\r\n"))
        if at < 0:
            return request
        n = len(UNKNOWN_ID)
        slots = tuple(slot._replace(at=slot.at - n) for slot in request.slots)  # all lie behind the first line
        return request._replace(raw=request.raw[:at] + request.raw[at + n :], slots=slots, body_at=at, body=(0, n))

    def shown(self, path: str) -> str:
        return path.replace(UNKNOWN_ID, self._id)

    def identify(self) -> str | None:
        beat = self.first_answer(Call("GET", "/api/v2/heartbeat"))
        if not isinstance(beat.json, dict) or "nanosecond heartbeat" not in beat.json:
            said = f"GET {self.url.path}/api/v2/heartbeat is answered with {beat.status}"
            raise self.error(f"no Chroma (1.0 or newer) here: {said}; is service.url right?")
        version = self.ask(Call("GET", "/api/v2/version")).json
        return version if isinstance(version, str) else None

    def find_collection(self) -> Collection | None:
        answer = self.ask(Call("GET", self._named))
        if answer.status == 404:
            return None
        found = self.answered(Call("GET", self._named))
        self._id = found["id"]
        ours = (found.get("metadata") or {}).get("made_by") == MADE_BY["made_by"]
        return Collection(ours, found.get("dimension"), _space_of(found.get("configuration_json")))

    def make_collection(self, dimensions: int) -> None:
        hnsw = {"space": _SPACES[self.workload.distance], **self.workload.index}
        asked = {"name": self.workload.collection, "metadata": MADE_BY, "configuration": {"hnsw": hnsw}}
        self._id = self.answered(Call("POST", self._collections, [orjson.dumps(asked)]))["id"]

    def remove_collection(self) -> None:
        self.answered(Call("DELETE", self._named))

    def settle(self, progress: Callable[[str, int, int], None]) -> None:
        """What is written is found at once."""

    def query(self, vector: bytes) -> Call:
        asked: dict[str, Any] = {
            "query_embeddings": [orjson.Fragment(vector)],
            "n_results": self.workload.top_k,
            "include": ["distances"],
        }
        if self.workload.filter:
            asked["where"] = _where(self.workload.filter)
        return self._on("query", [orjson.dumps({**asked, **self.workload.options})])

    def upsert(self, brought: Sequence[Point]) -> Call:
        vectors = b",".join(point.vector for point in brought)
        groups = orjson.dumps([{GROUP: point.group} for point in brought])
        ids = listed([_id_of(point.number) for point in brought])
        return self._on("upsert", [b'{"ids":', *ids, b',"embeddings":[' + vectors + b'],"metadatas":' + groups + b"}"])

    def get(self, numbers: Sequence[Number], with_vectors: bool = False) -> Call:
        included = b'["embeddings"]' if with_vectors else b'["metadatas"]'
        ids = listed([_id_of(number) for number in numbers])
        return self._on("get", [b'{"ids":', *ids, b',"include":' + included + b"}"])

    def delete(self, number: Number) -> Call:
        return self._on("delete", [b'{"ids":', *listed([_id_of(number)]), b"}"])

    def _on(self, operation: str, body: list[Part]) -> Call:
        return Call("POST", f"{self._collections}/{UNKNOWN_ID}/{operation}", body)

    def ids_in(self, answer: Any) -> list[int]:
        return [int(one) for row in answer["ids"] for one in row if one.isdecimal()]

    def vectors_in(self, answer: Any) -> dict[int, list[float]]:
        found = zip(answer["ids"], answer["embeddings"] or (), strict=False)
        return {int(one): vector for one, vector in found if one.isdecimal()}


def _id_of(number: Number) -> list[Part]:
    return [b'"', digits(number), b'"']


def _space_of(configuration: Any) -> Distance | None:
    for name in _INDEXES:
        index = configuration.get(name) if isinstance(configuration, dict) else None
        if isinstance(index, dict) and index.get("space") in _SPACES:
            return _SPACES[index["space"]]
    return None


def _where(wanted: dict[str, Any]) -> dict[str, Any]:
    """Chroma takes one condition, or several under an operator."""
    is_one = len(wanted) == 1
    return wanted if is_one else {"$and": [{name: value} for name, value in wanted.items()]}


def _target(recipe: Recipe) -> VectorTarget:
    return VectorTarget(recipe, ChromaStore(recipe))


KIND = Kind(ChromaService, VectorWorkload, _target, frozenset({"recall"}), "Chroma, a vector store")
