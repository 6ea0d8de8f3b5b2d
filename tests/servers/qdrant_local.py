"""Qdrant's REST API, as much of it as loadgen speaks, over the local mode of qdrant-client: exact, and in memory.

Run by the Python of an environment that has qdrant-client: qdrant_local.py PORT. With QDRANT_API_KEY in the environment
it wants that key. Shapes and words of the answers: Qdrant's OpenAPI description and its own error messages.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError
from qdrant_client import QdrantClient
from qdrant_client.http import models

POINTS = TypeAdapter(models.PointInsertOperations)
SELECTOR = TypeAdapter(models.PointsSelector)


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Store:
    """Operations of the API: each takes the parts of the path that are names, and the body."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.lock = threading.Lock()
        self.n_answers: dict[tuple[str, int], int] = {}

    def create(self, name: str, body: Any) -> Any:
        asked = models.CreateCollection.model_validate(body)
        if self.client.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        return self.client.create_collection(name, asked.vectors)

    def remove(self, name: str, _body: Any) -> Any:
        return self.client.delete_collection(name)

    def info(self, name: str, _body: Any) -> Any:
        self._check(name)
        return dumped(self.client.get_collection(name))

    def aliases(self, name: str, _body: Any) -> Any:
        self._check(name)
        return dumped(self.client.get_collection_aliases(name))

    def change_aliases(self, body: Any) -> Any:
        asked = models.ChangeAliasesOperation.model_validate(body)
        return self.client.update_collection_aliases(asked.actions)

    def create_index(self, name: str, body: Any) -> Any:
        self._check(name)
        asked = models.CreateFieldIndex.model_validate(body)
        return dumped(self.client.create_payload_index(name, asked.field_name, asked.field_schema))

    def upsert(self, name: str, body: Any) -> Any:
        self._check(name)
        points = POINTS.validate_python(body).points
        for point in points:
            self._check_length(name, point.vector)
        return dumped(self.client.upsert(name, points))

    def query(self, name: str, body: Any) -> Any:
        self._check(name)
        asked = models.QueryRequest.model_validate(body)
        self._check_length(name, asked.query)
        answer = self.client.query_points(
            name,
            asked.query,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=bool(asked.with_payload),
            with_vectors=bool(asked.with_vector),
        )
        return dumped(answer)

    def retrieve(self, name: str, body: Any) -> Any:
        self._check(name)
        asked = models.PointRequest.model_validate(body)
        with_payload = asked.with_payload is not False
        found = self.client.retrieve(name, asked.ids, with_payload=with_payload, with_vectors=bool(asked.with_vector))
        return [dumped(point) for point in found]

    def delete(self, name: str, body: Any) -> Any:
        self._check(name)
        return dumped(self.client.delete(name, SELECTOR.validate_python(body)))

    def count(self, name: str, body: Any) -> Any:
        self._check(name)
        return dumped(self.client.count(name, models.CountRequest.model_validate(body).filter))

    def metrics(self) -> str:
        """Prometheus's text format."""
        names = [collection.name for collection in self.client.get_collections().collections]
        lines = [
            f'app_info{{name="qdrant",version="{version("qdrant-client")}"}} 1',
            "# TYPE collections_total gauge",
            f"collections_total {len(names)}",
            *(f'collection_points{{id="{name}"}} {self.client.count(name).count}' for name in names),
            *(f'rest_responses_total{{method="{m}",status="{s}"}} {n}' for (m, s), n in self.n_answers.items()),
        ]
        return "\n".join(lines) + "\n"

    def _check(self, name: str) -> None:
        if not self.client.collection_exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")

    def _check_length(self, name: str, vector: Any) -> None:
        size = self.client.get_collection(name).config.params.vectors.size
        if isinstance(vector, list) and len(vector) != size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(vector)}")


def dumped(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True)


STORE = Store()
ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("POST", "/collections/aliases"): STORE.change_aliases,
    ("PUT", "/collections/{}"): STORE.create,
    ("GET", "/collections/{}"): STORE.info,
    ("DELETE", "/collections/{}"): STORE.remove,
    ("GET", "/collections/{}/aliases"): STORE.aliases,
    ("PUT", "/collections/{}/index"): STORE.create_index,
    ("PUT", "/collections/{}/points"): STORE.upsert,
    ("POST", "/collections/{}/points"): STORE.retrieve,
    ("POST", "/collections/{}/points/query"): STORE.query,
    ("POST", "/collections/{}/points/delete"): STORE.delete,
    ("POST", "/collections/{}/points/count"): STORE.count,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one write

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        with STORE.lock:
            status, kind, content = self._content(path, body)
            STORE.n_answers[self.command, status] = STORE.n_answers.get((self.command, status), 0) + 1
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _content(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        wanted = os.environ.get("QDRANT_API_KEY")
        if path == "/readyz":
            return 200, "text/plain", b"all shards are ready"
        if path == "/":
            title = {"title": "qdrant - vector search engine", "version": version("qdrant-client")}
            return 200, "application/json", json.dumps(title).encode()
        if wanted and self.headers.get("api-key") != wanted:
            return 401, "text/plain", b"Must provide an API key or an Authorization bearer token"
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", STORE.metrics().encode()
        return self._called(path, body)

    def _called(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        began = time.perf_counter()
        try:
            status, said = 200, {"result": self._routed(path, body), "status": "ok"}
        except Refused as refused:
            status, said = refused.status, {"status": {"error": str(refused)}}
        except ValidationError as error:
            text = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            status, said = 400, {"status": {"error": f"Format error in JSON body: {text}"}}
        except ValueError as error:
            status, said = 400, {"status": {"error": f"Bad request: {error}"}}
        said["time"] = time.perf_counter() - began
        return status, "application/json", json.dumps(said, separators=(",", ":")).encode()

    def _routed(self, path: str, body: bytes) -> Any:
        asked = json.loads(body) if body else {}
        if (self.command, path) in ROUTES:
            return ROUTES[self.command, path](asked)
        head, name, *rest = path.removeprefix("/").split("/")
        route = ROUTES.get((self.command, "/".join(["", head, "{}", *rest])))
        if route is None:
            raise Refused(404, "")
        return route(unquote(name), asked)

    def log_message(self, *_: object) -> None:
        """A line a request would be most of the work."""


def serve(port: int) -> None:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer.request_queue_size = 1024
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
