"""A proxy that lies: it flips a bit of a value, acknowledges a write that it dropped, answers with an older value.

It speaks just enough of a protocol to know requests, answers and values apart. Connections are served by threads.
"""

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

MIDDLE_BIT = 1


class Stream:
    """Exact reads from a socket. Raises EOFError where it ends."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._held = b""

    def exactly(self, n_bytes: int) -> bytes:
        while len(self._held) < n_bytes:
            self._more()
        taken, self._held = self._held[:n_bytes], self._held[n_bytes:]
        return taken

    def until(self, end: bytes) -> bytes:
        while end not in self._held:
            self._more()
        return self.exactly(self._held.index(end) + len(end))

    def _more(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self._held += data


class Dialect(Protocol):
    """What the proxy knows of a protocol. A key is any text that tells one value's place from another's."""

    def open(self, client: Stream, server: Stream) -> None:
        """Pass on what is said before the first request."""

    def request(self, stream: Stream) -> bytes: ...

    def answer(self, stream: Stream, request: bytes) -> bytes: ...

    def read_key(self, request: bytes) -> str | None:
        """The key of a read; None: it is none."""

    def write_key(self, request: bytes) -> str | None: ...

    def written(self, request: bytes) -> bytes:
        """The value in a write."""

    def value(self, answer: bytes) -> tuple[int, int] | None:
        """Where the value lies in the answer to a read; None: it has none."""

    def acknowledgement(self, request: bytes) -> bytes:
        """What a server says to a write."""


class Redis:
    """RESP2, one command at a time."""

    def open(self, client: Stream, server: Stream) -> None:
        """A login is commands like others."""

    def request(self, stream: Stream) -> bytes:
        return self._one(stream)

    def answer(self, stream: Stream, request: bytes) -> bytes:
        return self._one(stream)

    def _one(self, stream: Stream) -> bytes:
        line = stream.until(b"\r\n")
        if line[:1] in b"$=" and int(line[1:]) >= 0:
            return line + stream.exactly(int(line[1:]) + 2)
        if line[:1] in b"*%~" and int(line[1:]) > 0:
            n_parts = int(line[1:]) * (2 if line[:1] == b"%" else 1)
            return line + b"".join(self._one(stream) for _ in range(n_parts))
        return line

    def _words(self, request: bytes) -> list[bytes]:
        return request.split(b"\r\n")[2::2]

    def read_key(self, request: bytes) -> str | None:
        words = self._words(request)
        return words[1].decode() if words[:1] == [b"GET"] and words[1].startswith(b"key:") else None

    def write_key(self, request: bytes) -> str | None:
        words = self._words(request)
        return words[1].decode() if words[:1] == [b"SET"] and words[1].startswith(b"key:") else None

    def written(self, request: bytes) -> bytes:
        return self._words(request)[2]

    def value(self, answer: bytes) -> tuple[int, int] | None:
        if not answer.startswith(b"$") or answer.startswith(b"$-1"):
            return None
        return answer.index(b"\r\n") + 2, len(answer) - 2

    def acknowledgement(self, request: bytes) -> bytes:
        return b"+OK\r\n"


class S3:
    """HTTP/1.1 with lengths; objects by their path."""

    def open(self, client: Stream, server: Stream) -> None:
        """HTTP begins at once."""

    def request(self, stream: Stream) -> bytes:
        head = stream.until(b"\r\n\r\n")
        return head + stream.exactly(_length(head))

    def answer(self, stream: Stream, request: bytes) -> bytes:
        head = stream.until(b"\r\n\r\n")
        if request.startswith(b"HEAD ") or head[9:12] in (b"204", b"304"):
            return head
        if b"chunked" in head.lower():
            return head + self._chunks(stream)
        return head + stream.exactly(_length(head))

    def _chunks(self, stream: Stream) -> bytes:
        whole = b""
        while True:
            size = stream.until(b"\r\n")
            whole += size + stream.exactly(int(size, 16) + 2)
            if int(size, 16) == 0:
                return whole

    def _object(self, request: bytes, method: bytes) -> str | None:
        found = re.match(rb"(\w+) (/[^/ ?]+/[^ ?]*\d{6}[^ ?]*) ", request)
        return found[2].decode() if found and found[1] == method else None

    def read_key(self, request: bytes) -> str | None:
        return self._object(request, b"GET")

    def write_key(self, request: bytes) -> str | None:
        return self._object(request, b"PUT")

    def written(self, request: bytes) -> bytes:
        return request.partition(b"\r\n\r\n")[2]

    def value(self, answer: bytes) -> tuple[int, int] | None:
        if not answer.startswith(b"HTTP/1.1 200"):
            return None
        return answer.index(b"\r\n\r\n") + 4, len(answer)

    def acknowledgement(self, request: bytes) -> bytes:
        return b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\n\r\n'


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


class PostgreSQL:
    """Prepared statements of one parameter's read and of two parameters' update; trust is the only login."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.updates: set[bytes] = set()
        self.selects: set[bytes] = set()

    def open(self, client: Stream, server: Stream) -> None:
        length = client.exactly(4)
        server.connection.sendall(length + client.exactly(struct.unpack("!i", length)[0] - 4))
        client.connection.sendall(self.answer(server, b""))

    def request(self, stream: Stream) -> bytes:
        """Up to Sync, a simple query, or the end of what COPY brings."""
        whole = b""
        while True:
            kind, message = self._message(stream)
            whole += message
            if kind == b"P":
                self._parsed(message)
            if kind in b"SQXcf":
                return whole

    def answer(self, stream: Stream, request: bytes) -> bytes:
        """Up to ReadyForQuery, or to where COPY wants its rows."""
        if request[:1] == b"X":
            return b""
        whole = b""
        while True:
            kind, message = self._message(stream)
            whole += message
            if kind in b"ZG":
                return whole

    def _message(self, stream: Stream) -> tuple[bytes, bytes]:
        head = stream.exactly(5)
        return head[:1], head + stream.exactly(struct.unpack("!i", head[1:])[0] - 4)

    def _parsed(self, message: bytes) -> None:
        name, sql = message[5:].split(b"\0")[:2]
        with self._lock:
            if b"UPDATE" in sql.upper() and b"loadgen_rows" in sql:
                self.updates.add(name)
            if sql.upper().startswith(b"SELECT") and b"loadgen_rows" in sql:
                self.selects.add(name)

    def _bound(self, request: bytes) -> tuple[bytes, list[bytes]]:
        """The statement's name and its parameters."""
        if request[:1] != b"B":
            return b"", []
        _, name, rest = request[5:].split(b"\0", 2)
        at = 2 + 2 * struct.unpack("!h", rest[:2])[0]
        n_values = struct.unpack("!h", rest[at : at + 2])[0]
        at += 2
        values = []
        for _ in range(n_values):
            size = struct.unpack("!i", rest[at : at + 4])[0]
            values.append(rest[at + 4 : at + 4 + size])
            at += 4 + size
        return name, values

    def read_key(self, request: bytes) -> str | None:
        name, values = self._bound(request)
        return str(int(values[0])) if name in self.selects and values else None

    def write_key(self, request: bytes) -> str | None:
        name, values = self._bound(request)
        return str(int(min(values, key=len))) if name in self.updates and len(values) == 2 else None

    def written(self, request: bytes) -> bytes:
        return max(self._bound(request)[1], key=len)

    def value(self, answer: bytes) -> tuple[int, int] | None:
        at = answer.find(b"D")
        while at >= 0 and answer[at + 5 : at + 7] != b"\0\1":
            at = answer.find(b"D", at + 1)
        if at < 0:
            return None
        size = struct.unpack("!i", answer[at + 7 : at + 11])[0]
        return at + 11, at + 11 + size

    def acknowledgement(self, request: bytes) -> bytes:
        return b"2\0\0\0\x04" + b"C\0\0\0\x0dUPDATE 1\0" + b"Z\0\0\0\x05I"


class LyingProxy:
    """Stands before a server on a port of its own. how: honest, flip, drop, old. Every `every`-th chance is taken.

    n_lies: answers that were wrong, by the proxy's own books; those books need one client at a time, but for flip. It
    lies only after the first read, so that a fill is left alone.
    """

    def __init__(self, dialect: Dialect, server: tuple[str, int], how: str, every: int = 7) -> None:
        self.dialect, self.how, self.every = dialect, how, every
        self.n_lies = self.n_dropped = 0
        self._server = server
        self._n_chances = 0
        self._acknowledged: dict[str, bytes] = {}
        self._first_answers: dict[str, bytes] = {}
        self._has_read = False
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> "LyingProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server = socket.create_connection(self._server)
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                self._threads.append(threading.Thread(target=self._serve, args=(client, server), daemon=True))
                self._threads[-1].start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        asking, answering = Stream(client), Stream(server)
        with suppress(EOFError, OSError), client, server:
            self.dialect.open(asking, answering)
            while True:
                request = self.dialect.request(asking)
                client.sendall(self._answered(request, lambda asked: self._ask(answering, asked)))

    def _ask(self, server: Stream, request: bytes) -> bytes:
        server.connection.sendall(request)
        return self.dialect.answer(server, request)

    def _answered(self, request: bytes, ask: Callable[[bytes], bytes]) -> bytes:
        read, write = self.dialect.read_key(request), self.dialect.write_key(request)
        if write is not None:
            return self._write(write, request, ask)
        answer = ask(request)
        return answer if read is None else self._read(read, answer)

    def _write(self, key: str, request: bytes, ask: Callable[[bytes], bytes]) -> bytes:
        with self._lock:
            is_dropped = self.how == "drop" and self._has_read and self._takes_chance()
        answer = self.dialect.acknowledgement(request) if is_dropped else ask(request)
        with self._lock:
            self.n_dropped += is_dropped
            self._acknowledged[key] = self.dialect.written(request)
        return answer

    def _read(self, key: str, answer: bytes) -> bytes:
        with self._lock:
            self._has_read = True
            place = self.dialect.value(answer)
            if self.how == "flip" and place is not None and self._takes_chance():
                self.n_lies += 1
                return _flipped(answer, (place[0] + place[1]) // 2)
            first = answer if place is None else self._first_answers.setdefault(key, answer)
            if self.how == "old" and first != answer and self._takes_chance():
                answer = first
            if self.how in ("drop", "old"):
                self._keep_books(key, answer)
            return answer

    def _keep_books(self, key: str, answer: bytes) -> None:
        """Is the answer that goes out another value than the last that was acknowledged, or none?"""
        begin, end = self.dialect.value(answer) or (0, 0)
        acknowledged = self._acknowledged.get(key)
        self.n_lies += acknowledged is not None and answer[begin:end] != acknowledged

    def _takes_chance(self) -> bool:
        self._n_chances += 1
        return self._n_chances % self.every == 0


def _flipped(answer: bytes, at: int) -> bytes:
    return answer[:at] + bytes([answer[at] ^ MIDDLE_BIT]) + answer[at + 1 :]
