"""A plain client over a raw socket: it sees every chunk, and how a connection ended."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30


@dataclass
class Answer:
    """ending: "complete", "closed" (before its end) or "reset". pieces: the chunks of a chunked body, else the body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    ending: str = "complete"

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each SSE event, parsed where it is JSON."""
        texts = [event.removeprefix("data: ") for event in self.body.decode().split("\n\n") if event]
        return [json.loads(text) if text.startswith("{") else text for text in texts]

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def tokens(self) -> list[str]:
        """The text of each event that carries content, OpenAI's chat."""
        choices = [event["choices"][0] for event in self.events if isinstance(event, dict) and event.get("choices")]
        return [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")]


class Client:
    def __init__(self, url: str, receive_bytes: int = 0) -> None:
        parts = urlsplit(url)
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect((parts.hostname, parts.port))
        self._ahead = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *what: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        self.send(request(method, path, body, **headers))
        return self.answer()

    def answer(self, *, without_body: bool = False) -> Answer:
        answer = Answer()
        try:
            self._read(answer, without_body)
        except EOFError:
            answer.ending = "closed"
        except ConnectionResetError:
            answer.ending = "reset"
        return answer

    def is_at_end(self) -> bool:
        """True once the server has closed and all was read."""
        return not self._ahead and self.socket.recv(1) == b""

    def pieces_of_stream(self) -> Iterator[bytes]:
        """The chunks of a streamed answer, as they come."""
        self._head(Answer())
        while piece := self._chunk():
            yield piece

    def _read(self, answer: Answer, without_body: bool) -> None:
        self._head(answer)
        if without_body:
            return
        if answer.headers.get("transfer-encoding") == "chunked":
            while piece := self._chunk():
                answer.pieces.append(piece)
            return
        for _ in range(int(answer.headers["content-length"])):
            answer.pieces.append(self._exactly(1))

    def _head(self, answer: Answer) -> None:
        answer.status = int(self._line().split()[1])
        while line := self._line():
            name, _, value = line.partition(":")
            answer.headers[name.lower()] = value.strip()

    def _chunk(self) -> bytes:
        n = int(self._line(), 16)
        piece = self._exactly(n)
        assert self._exactly(2) == b"\r\n"
        return piece

    def _line(self) -> str:
        while b"\r\n" not in self._ahead:
            self._more()
        line, _, self._ahead = self._ahead.partition(b"\r\n")
        return line.decode()

    def _exactly(self, n: int) -> bytes:
        while len(self._ahead) < n:
            self._more()
        piece, self._ahead = self._ahead[:n], self._ahead[n:]
        return piece

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._ahead += data


def request(method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """The bytes of a request. headers: X_Simulate="stall" becomes X-Simulate: stall."""
    sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: simulator"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(sent)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


def ask(url: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One request on a connection of its own."""
    with Client(url) as client:
        return client.ask(method, path, body, **headers)


def chat(n_tokens: int | None = 4, **fields: Any) -> dict[str, Any]:
    """The body of a streamed chat request."""
    body = {"model": "any", "stream": True, "messages": [{"role": "user", "content": "two words"}], **fields}
    return body if n_tokens is None else {**body, "max_tokens": n_tokens}
