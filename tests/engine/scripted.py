"""A server that answers by a script: any bytes, in any pieces, and every way of closing a connection."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass
class Asked:
    """One request as it came. raw: head and body."""

    raw: bytes
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def id(self) -> str:
        return next(value for name, value in self.headers if name == "X-Request-Id")


@dataclass
class Peer:
    """One connection of the server's, as its script sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "ScriptedServer"
    number: int

    async def head(self) -> Asked:
        """The next request up to its blank line; the body stays unread. Raises EOFError where the client has closed."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode().rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Asked(raw, method, target, headers, b"")

    async def request(self) -> Asked:
        """The next request, whole."""
        asked = await self.head()
        await self.body(asked)
        return asked

    async def body(self, asked: Asked) -> None:
        """The rest of a request whose head was read."""
        n_bytes = int(dict(asked.headers).get("Content-Length", 0))
        asked.body = await self.reader.readexactly(n_bytes)
        asked.raw += asked.body
        self.server.asked.append(asked)
        self.server.on_asked.set()

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a write of its own, handed to the kernel before the next."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def lost(self) -> None:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    async def close(self) -> None:
        """End in good order (FIN)."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """End with a RST."""
        no_linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]
"""What happens on one connection, from its opening; when it returns the server closes."""

Answer = Callable[[Peer, Asked], Awaitable[None]]
"""What happens after one request."""


@dataclass
class ScriptedServer:
    """Runs the script on every connection that comes.

    asked: the requests that came whole, over all connections, in their order. failure: what went wrong in a script.
    """

    script: Script
    family: int = socket.AF_INET
    asked: list[Asked] = field(default_factory=list)
    on_asked: asyncio.Event = field(default_factory=asyncio.Event)
    n_connections: int = 0
    n_now: int = 0
    n_most: int = 0
    failure: BaseException | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _listener: asyncio.Server | None = None
    _folder: TemporaryDirectory[str] | None = None

    async def start(self) -> tuple[str, int]:
        """Listen on a port of the loopback, or on a socket in the file system; return the address."""
        if self.family == socket.AF_UNIX:
            self._folder = TemporaryDirectory(prefix="loadgen-")
            path = str(Path(self._folder.name) / "socket")
            self._listener = await asyncio.start_unix_server(self._accept, path, limit=1 << 24)
            return path, 0
        host = "127.0.0.1" if self.family == socket.AF_INET else "::1"
        self._listener = await asyncio.start_server(self._accept, host, 0, family=self.family, limit=1 << 24)
        return self._listener.sockets[0].getsockname()[:2]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, self, self.n_connections)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.n_connections += 1
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        try:
            await self.script(peer)
        except (EOFError, ConnectionError):
            pass  # the client closed: what a script waited for does not come
        except Exception as failure:
            self.failure = failure
        finally:
            self.n_now -= 1
            await peer.close()
            self._tasks.discard(task)

    async def wait_asked(self, n_requests: int) -> None:
        """Wait until so many requests have come whole."""
        while len(self.asked) < n_requests:
            self.on_asked.clear()
            await self.on_asked.wait()

    async def stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()

    async def stop(self) -> None:
        """Wait until every script has ended: each does once its client has closed."""
        await self.stop_listening()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._listener is not None:
            await self._listener.wait_closed()
        if self._folder is not None:
            self._folder.cleanup()
        if self.failure is not None:
            raise self.failure


def each(*answers: Answer) -> Script:
    """The nth request of the whole run gets the nth answer; those after it the last one. Connections stay open."""
    turn = iter(range(1 << 62))

    async def script(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            await answers[min(next(turn), len(answers) - 1)](peer, asked)
            if peer.writer.is_closing():
                return

    return script


def say(*pieces: bytes) -> Answer:
    """Send the pieces."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(*pieces)

    return answer


def say_and_close(*pieces: bytes) -> Answer:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(*pieces)
        await peer.close()

    return answer


def say_and_reset(*pieces: bytes) -> Answer:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(*pieces)
        peer.reset()

    return answer


def stall(*pieces: bytes) -> Answer:
    """Send the pieces, then nothing, until the client closes."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.send(*pieces)
        await peer.lost()
        await peer.close()

    return answer


def after(event: asyncio.Event, answer: Answer) -> Answer:
    async def waiting(peer: Peer, asked: Asked) -> None:
        await event.wait()
        await answer(peer, asked)

    return waiting


# --- what is said


def whole(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", more: str = "") -> bytes:
    """An answer with a Content-Length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def chunked_head(content_type: str = "text/event-stream", *, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n{more}\r\n".encode()


def chunk(text: bytes) -> bytes:
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"


def chunked(texts: Iterable[bytes], content_type: str = "text/event-stream", *, more: str = "") -> bytes:
    """An answer in chunks, one a text."""
    return chunked_head(content_type, more=more) + b"".join(chunk(text) for text in texts) + LAST_CHUNK
