"""A server that answers as a test tells it to, byte for byte."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

Script = Callable[["Asked"], bytes | None]
"""What to answer. None: nothing, the connection stays open."""


TLS_HANDSHAKE = b"\x16"
TURNS_TO_ACCEPT = 5
"""Of the event loop, from taking a connection to telling of it: a server that is closed in between loses it."""


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def call(self) -> str:
        return f"{self.method} {self.path}"


def answer(
    body: bytes | str | Any, status: int = 200, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole answer; what is neither bytes nor text is sent as JSON."""
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def events(*values: Any, done: bool = True) -> bytes:
    """A stream of server-sent events, in one chunk, whose end is the last chunk's."""
    text = "".join(f"data: {json.dumps(value)}\n\n" for value in values) + ("data: [DONE]\n\n" if done else "")
    return chunked(text, "text/event-stream")


def lines(*values: Any) -> bytes:
    """A stream of JSON lines."""
    return chunked("".join(f"{json.dumps(value)}\n" for value in values), "application/x-ndjson")


def chunked(text: str, kind: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return f"{head}{len(text.encode()):x}\r\n{text}\r\n0\r\n\r\n".encode()


class Scripted:
    """url: where it listens. asked: all that it was asked, in order. hangs_up: after an answer, or the client must."""

    def __init__(self, script: Script, silent_to_tls: bool, hangs_up: bool) -> None:
        self.script, self.silent_to_tls, self.hangs_up = script, silent_to_tls, hangs_up
        self.asked: list[Asked] = []
        self.url = ""
        self.serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            reply = self.script(asked)
            writer.write(reply or b"")
            await writer.drain()
            if reply is None or not self.hangs_up:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a client that only tries whether somebody listens
        except ValueError:
            if self.silent_to_tls:
                await reader.read()
            else:
                writer.write(answer("", 400))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Asked:
    begin = await reader.readexactly(1)
    if begin == TLS_HANDSHAKE:
        raise ValueError
    head = (begin + await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, json.loads(body) if body else None)


@asynccontextmanager
async def scripted(
    script: Script, family: int = socket.AF_INET, silent_to_tls: bool = False, hangs_up: bool = True
) -> AsyncIterator[Scripted]:
    """Serves on the loopback address of the family while the block runs."""
    server = Scripted(script, silent_to_tls, hangs_up)
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    listening = await asyncio.start_server(server.accept, host, 0, family=family)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"http://{host if family == socket.AF_INET else '[::1]'}:{port}"
    try:
        yield server
    finally:
        for _ in range(TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        listening.close()
        await asyncio.gather(*server.serving)  # its clients are gone by now
        await listening.wait_closed()


@contextmanager
def behind_tls(context: ssl.SSLContext, reply: bytes) -> Iterator[str]:
    """The address of a server that says the same to every request. Blocking, in a thread: asyncio's TLS transports
    outlive the loop where a handshake failed.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=_serve_tls, args=(listening, context, reply))
        serving.start()
        try:
            yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()


def _serve_tls(listening: socket.socket, context: ssl.SSLContext, reply: bytes) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return  # the end
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as spoken:
            if spoken.recv(65536):
                spoken.sendall(reply)
