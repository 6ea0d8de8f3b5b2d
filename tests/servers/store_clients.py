"""A second opinion on what a vector store holds: the few questions that tests ask of it, in its own dialect."""

import json
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from typing import Any


class StoreClient(ABC):
    kind: str

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; None where it is 404."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    @abstractmethod
    def count(self, name: str) -> int | None:
        """How many vectors a collection has; None: there is no such collection."""

    @abstractmethod
    def make(self, name: str, dimensions: int) -> None:
        """A collection as another program makes it."""

    @abstractmethod
    def write(self, name: str, number: int, vector: list[float]) -> None: ...

    @abstractmethod
    def delete(self, name: str, number: int) -> None: ...


class Qdrant(StoreClient):
    kind = "qdrant"

    def count(self, name: str) -> int | None:
        found = self.ask("POST", f"/collections/{name}/points/count", {"exact": True})
        return None if found is None else found["result"]["count"]

    def make(self, name: str, dimensions: int) -> None:
        self.ask("PUT", f"/collections/{name}", {"vectors": {"size": dimensions, "distance": "Cosine"}})

    def write(self, name: str, number: int, vector: list[float]) -> None:
        points = [{"id": 10**12 + number, "vector": vector, "payload": {}}]
        self.ask("PUT", f"/collections/{name}/points?wait=true", {"points": points})

    def delete(self, name: str, number: int) -> None:
        self.ask("POST", f"/collections/{name}/points/delete?wait=true", {"points": [10**12 + number]})


class Chroma(StoreClient):
    kind = "chroma"
    collections = "/api/v2/tenants/default_tenant/databases/default_database/collections"

    def count(self, name: str) -> int | None:
        there = self._place(name)
        return None if there is None else self.ask("GET", f"{there}/count")

    def make(self, name: str, dimensions: int) -> None:
        self.ask("POST", self.collections, {"name": name, "configuration": {"hnsw": {"space": "cosine"}}})
        self.write(name, 10**11, [1.0] * dimensions)  # it is what says how many dimensions there are
        self.delete(name, 10**11)

    def write(self, name: str, number: int, vector: list[float]) -> None:
        self.ask("POST", f"{self._place(name)}/upsert", {"ids": [f"{number:012}"], "embeddings": [vector]})

    def delete(self, name: str, number: int) -> None:
        self.ask("POST", f"{self._place(name)}/delete", {"ids": [f"{number:012}"]})

    def _place(self, name: str) -> str | None:
        found = self.ask("GET", f"{self.collections}/{name}")
        return None if found is None else f"{self.collections}/{found['id']}"


CLIENTS: dict[str, type[StoreClient]] = {"qdrant": Qdrant, "chroma": Chroma}
