"""The second opinion: a proxy that keeps the raw bytes of every answer, and a reading of them in plain Python.

Nothing here uses loadgen's parsers, so that an error in them cannot hide itself.
"""

import json
import re
import select
import socket
import socketserver
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

REQUEST_ID = re.compile(rb"^x-request-id:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Exchange:
    """What went over the wire for one request, byte for byte."""

    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass
class Recorder:
    """url: where the proxy listens. exchanges: by X-Request-Id ("" without one), as answers began."""

    url: str = ""
    exchanges: dict[str, list[Exchange]] = field(default_factory=lambda: defaultdict(list))

    def file(self, exchange: Exchange) -> None:
        """Put an exchange under its id; its head has come whole by the time its answer begins."""
        found = REQUEST_ID.search(exchange.asked)
        self.exchanges[found.group(1).decode() if found else ""].append(exchange)

    def only(self, request_id: str) -> Exchange:
        """The one exchange of this id: that there are two, or none, is an error."""
        (exchange,) = self.exchanges[request_id]
        return exchange


class _Relay(socketserver.BaseRequestHandler):
    """One connection. Requests are not pipelined: what the client sends after an answer began is the next one."""

    server: "_Proxy"

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream, suppress(ConnectionError):
            self._relay(self.request, upstream)

    def _relay(self, client: socket.socket, upstream: socket.socket) -> None:
        exchange = Exchange()
        while True:
            for source in select.select([client, upstream], [], [])[0]:
                chunk = source.recv(65536)
                if not chunk:
                    return
                if source is client:
                    exchange = Exchange() if exchange.answered else exchange
                    exchange.asked += chunk
                    upstream.sendall(chunk)
                else:
                    if not exchange.answered:
                        self.server.recorder.file(exchange)
                    exchange.answered += chunk
                    client.sendall(chunk)


class _Proxy(socketserver.ThreadingTCPServer):
    request_queue_size = 128

    def __init__(self, upstream: tuple[str, int], recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.upstream = upstream
        self.recorder = recorder


@contextmanager
def recording(url: str) -> Iterator[Recorder]:
    """A transparent proxy in front of `url`, in threads of its own. Ends when its last client has gone."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    recorder = Recorder()
    with _Proxy((parts.hostname, parts.port), recorder) as proxy:
        recorder.url = f"http://127.0.0.1:{proxy.server_address[1]}"
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recorder
        finally:
            proxy.shutdown()
            thread.join()


@dataclass(frozen=True)
class Reading:
    """What an answer says, read by json and split. Counts are None where the server gives none."""

    status: int
    n_content_events: int
    finish_reason: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    documents: list[dict[str, Any]]


def read_answer(raw: bytes) -> Reading:
    head, _, body = bytes(raw).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b"".join(_chunks(body))
    documents = list(_documents(body, headers[b"content-type"]))
    usage = next((found for document in documents if (found := _usage(document)) is not None), (None, None))
    return Reading(
        status=int(lines[0].split()[1]),
        n_content_events=sum(map(_has_content, documents)),
        finish_reason=next((reason for document in documents if (reason := _finish_reason(document))), None),
        prompt_tokens=usage[0],
        output_tokens=usage[1],
        documents=documents,
    )


def _chunks(body: bytes) -> Iterator[bytes]:
    while True:
        size_line, _, body = body.partition(b"\r\n")
        size = int(size_line.split(b";")[0], 16)
        if not size:
            return
        yield body[:size]
        assert body[size : size + 2] == b"\r\n"
        body = body[size + 2 :]


def _documents(body: bytes, content_type: bytes) -> Iterator[dict[str, Any]]:
    if content_type.startswith(b"text/event-stream"):
        for line in body.replace(b"\r\n", b"\n").split(b"\n"):
            if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
                yield json.loads(line[5:])
    else:
        for line in body.splitlines():
            yield json.loads(line)


def _has_content(document: dict[str, Any]) -> bool:
    if "choices" in document:
        return any(_choice_has_content(choice) for choice in document["choices"])
    message = document.get("message") or {}
    said = (message.get("content"), message.get("thinking"), message.get("tool_calls"), document.get("response"))
    return any(said) or bool(document.get("thinking"))


def _choice_has_content(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or choice.get("message") or {}
    names = ("content", "reasoning_content", "reasoning", "tool_calls")
    return bool(choice.get("text")) or any(delta.get(name) for name in names)


def _finish_reason(document: dict[str, Any]) -> str | None:
    reasons = [choice.get("finish_reason") for choice in document.get("choices") or ()]
    return next(filter(None, [*reasons, document.get("done_reason")]), None)


def _usage(document: dict[str, Any]) -> tuple[int, int] | None:
    if "eval_count" in document:
        return document["prompt_eval_count"], document["eval_count"]
    usage = document.get("usage")
    return (usage["prompt_tokens"], usage["completion_tokens"]) if usage else None
