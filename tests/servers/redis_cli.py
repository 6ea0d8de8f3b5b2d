"""A person at redis-cli: a plain connection that is nothing of loadgen's."""

import socket
from types import TracebackType

from servers.process import Server


class Redis:
    """Inline commands, RESP2. Replies as text: a list's items one a line."""

    def __init__(self, server: Server) -> None:
        port = int(server.url.rpartition(":")[2])
        self._connection = socket.create_connection(("127.0.0.1", port), 10)
        self._lines = self._connection.makefile("rb")

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._connection.close()

    def say(self, line: str) -> str:
        self._connection.sendall(line.encode() + b"\r\n")
        return self._reply()

    def _reply(self) -> str:
        line = self._lines.readline().decode().removesuffix("\r\n")
        kind, rest = line[:1], line[1:]
        if kind == "$":
            return self._lines.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else ""
        return "\n".join(self._reply() for _ in range(int(rest))) if kind == "*" else rest
