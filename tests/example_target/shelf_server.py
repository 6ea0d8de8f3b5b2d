"""A small real server of the service that docs/adding-a-service.md adds: documents by their names, in memory."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shelf:
    """url: where it listens. forgets: documents that it loses without a word."""

    documents: dict[str, bytes] = field(default_factory=dict)
    forgets: set[str] = field(default_factory=set)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """One connection. shelf: what stands on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    shelf: Shelf

    def do_GET(self) -> None:
        if self.path == "/about":
            return self._answer(200, json.dumps({"version": "1.5"}).encode())
        document = self.shelf.documents.get(self.path)
        return self._answer(404, b"") if document is None else self._answer(200, document)

    def do_PUT(self) -> None:
        document = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path not in self.shelf.forgets:
            self.shelf.documents[self.path] = document
        self._answer(204, None)

    def _answer(self, status: int, content: bytes | None) -> None:
        self.send_response(status)
        if content is not None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Silent."""


class Serving(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """Answers until the block ends."""
    with Serving(("127.0.0.1", 0), type("Bound", (Handler,), {"shelf": shelf})) as server:
        shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
